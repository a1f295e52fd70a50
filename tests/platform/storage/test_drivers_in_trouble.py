"""The other half of every driver's promise: two writers at once, a full disk, and a store that does not answer."""

import asyncio
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.storage.driver import StorageAway, StorageDriver, StorageFull, StorageUnavailable, UploadBusy
from entrepot.platform.storage.hashing import new_hash
from entrepot.spec.oci.digest import Digest
from support.stores import another_process, append, finish, opened, pieces
from support.tools import missing

MIB: Final = 1 << 20


@pytest.fixture
def kind() -> str:
    """Only files are locked, and only disks are full; what a bucket does in trouble is told in s3/."""
    return "filesystem"


def open_uploads() -> int:
    """Count the descriptors of uploads that this process has open."""
    return sum("/uploads/" in os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())


async def add(driver: StorageDriver, handle: str, offset: int, *content: bytes) -> int:
    return await append(driver, handle, offset, pieces(*content))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"a small file system can be mounted by root only: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("content", [(b"x",), (b"x", bytes(3 * MIB))], ids=["small", "large"])
def test_two_appends_at_once_never_mix(driver: StorageDriver, twin: StorageDriver, content: tuple[bytes, ...]) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield bytes(2 * MIB)
            yield bytes(2 * MIB)
            begun.set()
            await may_end.wait()

        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(append(driver, handle, 0, slow()))
            await begun.wait()
            for other in (driver, twin):
                with pytest.raises(UploadBusy):
                    await add(other, handle, 0, *content)
            may_end.set()
        assert first.result() == 4 * MIB
        assert await add(twin, handle, 4 * MIB, b"x") == 4 * MIB + 1

    asyncio.run(scenario())


def test_a_frozen_process_keeps_its_upload_until_it_dies(driver: StorageDriver, kind: str, where: str) -> None:
    handle = driver.new_handle()
    child = another_process(kind, where, "hold", handle, "0", b"held".hex())
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(UploadBusy):
            asyncio.run(add(driver, handle, 0, b"x"))
    finally:
        child.kill()
        child.communicate()
    assert asyncio.run(add(driver, handle, 0, b"x")) == 1


def test_a_cancelled_append_lets_the_next_one_in(driver: StorageDriver, twin: StorageDriver) -> None:
    async def scenario(steps: int) -> None:
        handle = driver.new_handle()
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield bytes(MIB)
                begun.set()
                await asyncio.sleep(0)

        task = asyncio.create_task(append(driver, handle, 0, endless()))
        await begun.wait()
        for _ in range(steps):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await add(twin, handle, 0, b"next") == 4

    for steps in range(20):
        asyncio.run(scenario(steps))
    assert open_uploads() == 0


def test_what_is_held_stays_held_until_everything_is_recorded(driver: StorageDriver, twin: StorageDriver) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        async with driver.hold(handle, 0) as held:
            await held.append(0, pieces(b"mine"), new_hash("sha256"))
            with pytest.raises(UploadBusy):
                await add(twin, handle, 4, b"x")
            key = await held.finish(Digest.of(b"mine"), 4)
            assert await driver.size(key) == 4
        assert await finish(twin, handle, b"mine") == key

    asyncio.run(scenario())


def test_a_finish_that_was_cut_short_leaves_a_file_that_may_be_opened(driver: StorageDriver, where: str) -> None:
    handle, content = driver.new_handle(), b"cut short"
    digest = Digest.of(content)
    upload, folder = Path(where) / "uploads" / handle, Path(where) / "blobs/sha256" / digest.hex[:2]
    asyncio.run(add(driver, handle, 0, content))
    folder.rmdir()
    with pytest.raises(StorageUnavailable):
        asyncio.run(finish(driver, handle, content))
    assert stat.S_IMODE(upload.stat().st_mode) == 0o600, "who is not root never opens it again"
    folder.mkdir()
    blob = Path(where) / asyncio.run(finish(driver, handle, content))
    assert stat.S_IMODE(blob.stat().st_mode) == 0o400


def test_no_descriptor_is_lost_when_appends_fail(driver: StorageDriver) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(3 * MIB)
        yield bytes(3 * MIB)
        raise ConnectionError

    async def scenario() -> None:
        for _ in range(5):
            with pytest.raises(ConnectionError):
                await append(driver, driver.new_handle(), 0, broken())

    asyncio.run(scenario())
    assert open_uploads() == 0


def test_a_full_disk_is_said_and_what_was_durable_stays(kind: str, small_disk: Path) -> None:
    async def scenario(driver: StorageDriver) -> None:
        handle = driver.new_handle()
        await add(driver, handle, 0, bytes(2 * MIB))
        for content in ((bytes(20 * MIB),), tuple(bytes(MIB) for _ in range(20))):
            with pytest.raises(StorageFull) as refused:
                await add(driver, handle, 2 * MIB, *content)
            assert "full" in refused.value.message
        assert await add(driver, handle, 2 * MIB, b"small") == 2 * MIB + 5
        content_ = bytes(2 * MIB) + b"small"
        assert await driver.size(await finish(driver, handle, content_)) == len(content_)

    with opened(kind, str(small_disk / "store")) as driver:
        asyncio.run(scenario(driver))


@pytest.mark.parametrize("below", ["files", "nothing"])
def test_a_store_that_does_not_answer_is_unavailable_not_empty(kind: str, tmp_path: Path, below: str) -> None:
    async def scenario(driver: StorageDriver) -> None:
        handle, digest = driver.new_handle(), Digest.of(b"x")
        key = f"blobs/sha256/{digest.hex[:2]}/{digest.hex}.{handle}"
        for attempt in (
            add(driver, handle, 0, b"x"),
            add(driver, handle, 0, bytes(3 * MIB), b"x"),
            finish(driver, handle, b"x"),
            driver.abort(handle),
            driver.size(key),
            driver.delete(key),
            driver.feed(key, 0, 1, new_hash("sha256")),
            driver.set_aside(key),
            driver.require_presence(),
            _all(driver.read(key, 0, 0)),
            _all(driver.list_all()),
        ):
            with pytest.raises(StorageUnavailable if below == "files" else StorageAway):
                await attempt
        with pytest.raises(StorageAway):
            driver.require_room(0)
        assert driver.at_hand(key, 1) is None

    with opened(kind, str(tmp_path)) as driver:
        # A file where the folders were fails for root as well, whom permissions do not stop.
        for folder in ("uploads", "blobs"):
            (tmp_path / folder).rename(tmp_path / f"{folder}-away")
            if below == "files":
                (tmp_path / folder).write_bytes(b"")
        asyncio.run(scenario(driver))
        assert not (tmp_path / "quarantine").exists()


async def _all(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]
