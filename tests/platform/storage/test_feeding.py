"""How a check reads: past the page cache where that can be had, in a process that comes last, and whatever becomes of it."""

import asyncio
import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.storage.driver import ObjectLost, StorageUnavailable
from entrepot.platform.storage.feeding import Feeder
from entrepot.platform.storage.hashing import RunningHash, new_hash
from support.processes import children_named
from support.stores import opened
from support.tools import PROJECT

CONTENT: Final = os.urandom((3 << 20) + 5)
READER: Final = "entrepot-reads"
LIMIT_S: Final = 20.0
Fed = Callable[[Path, int, int, RunningHash], int]
# Feeds a file's first byte, says so, and lives on.
PARENT: Final = """
import asyncio, os, sys, time
from entrepot.platform.storage.feeding import Feeder
from entrepot.platform.storage.hashing import new_hash
async def once():
    await feeder.run(feeder.feed, os.open(sys.argv[1], os.O_RDONLY), 0, 1, new_hash("sha256"))
feeder = Feeder()
asyncio.run(once())
print("fed", flush=True)
time.sleep(600)
"""


class NicenessOfHashing:
    """Remembers what niceness the thread has that hashes; it cannot be continued in another process."""

    algorithm = "sha256"

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def update(self, _data: bytes | memoryview) -> None:
        """Look."""
        self.seen.add(niceness())

    def hexdigest(self) -> str:
        """Return nothing: nothing was hashed."""
        return ""

    def state(self) -> bytes | None:
        """Return nothing: nothing was hashed."""
        return None

    def resume(self, state: bytes) -> None:
        """Refuse: there is none to go on from."""
        raise AssertionError(state)


def niceness() -> int:
    """Return the niceness of this thread."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_memory(path: Path) -> bool:
    """Tell whether the page cache has the file's first bytes."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(file, [bytearray(4096)], 0, os.RWF_NOWAIT) > 0
    except BlockingIOError:
        return False
    finally:
        os.close(file)


def readers() -> list[int]:
    """Return the processes that read for this one."""
    return children_named(os.getpid(), READER)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not so():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.01)


async def feed(feeder: Feeder, path: Path, first: int, size: int, hash_: RunningHash) -> int:
    """Feed bytes of a file in a feeder's thread."""

    def step() -> int:
        file = os.open(path, os.O_RDONLY)
        try:
            return feeder.feed(file, first, size, hash_)
        finally:
            os.close(file)

    return await feeder.run(step)


@pytest.fixture
def feeder() -> Iterator[Feeder]:
    with closing(Feeder()) as feeder:
        yield feeder
    assert readers() == [], "none outlives its feeder"


@pytest.fixture
def fed(feeder: Feeder) -> Fed:
    """Feed and wait for it."""

    def feed_from(path: Path, first: int, size: int, hash_: RunningHash) -> int:
        return asyncio.run(feed(feeder, path, first, size, hash_))

    return feed_from


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is on the disk and in memory."""
    path = tmp_path / "blob"
    with path.open("wb") as out:
        out.write(CONTENT)
        out.flush()
        os.fsync(out.fileno())
    return path


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_check_takes_nothing_out_of_memory_that_is_pulled(fed: Fed, file: Path, algorithm: str) -> None:
    hash_ = new_hash(algorithm)
    assert in_memory(file)
    assert fed(file, 0, 8 << 20, hash_) == len(CONTENT)
    assert hash_.hexdigest() == hashlib.new(algorithm, CONTENT).hexdigest()
    assert in_memory(file)
    assert len(readers()) == 1


@pytest.mark.parametrize(("first", "size"), [(0, 8 << 20), (1 << 20, 1 << 20), (7, 2 << 20), (4096, 12345), (len(CONTENT), 10)])
def test_what_cannot_be_read_directly_is_read_all_the_same(fed: Fed, file: Path, first: int, size: int) -> None:
    hash_, wanted = new_hash("sha256"), CONTENT[first : first + size]
    assert fed(file, first, size, hash_) == len(wanted)
    assert hash_.hexdigest() == hashlib.sha256(wanted).hexdigest()


def test_a_file_system_without_direct_reads_is_read_all_the_same(fed: Fed) -> None:
    path, hash_ = Path("/proc/version"), new_hash("sha256")
    assert fed(path, 0, 8 << 20, hash_) == len(path.read_bytes())
    assert hash_.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_who_reads_for_a_check_gets_what_is_idle_whatever_session_it_was_started_from(fed: Fed, file: Path) -> None:
    assert readers() == []
    fed(file, 0, 1, new_hash("sha256"))
    (reader,) = readers()
    assert os.sched_getscheduler(reader) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert os.getsid(reader) == reader != os.getsid(0)
    group = Path(f"/proc/{reader}/autogroup")
    if group.exists() and (says := group.read_text("ascii")).strip():
        assert says.endswith("nice 19\n")


def test_a_hash_that_cannot_be_handed_over_is_fed_here_by_a_thread_that_comes_last(fed: Fed, file: Path) -> None:
    before, seen = niceness(), NicenessOfHashing()
    assert fed(file, 0, 8 << 20, seen) == len(CONTENT)
    assert seen.seen == {19}
    assert niceness() == before < 19
    assert readers() == []


@pytest.mark.parametrize("when", ["at rest", "at work"])
def test_a_reader_that_is_killed_is_replaced_and_no_byte_is_counted_twice(feeder: Feeder, file: Path, when: str) -> None:
    async def scenario() -> int:
        hash_, place = new_hash("sha256"), await feed(feeder, file, 0, 1 << 20, first)
        (reader,) = readers()
        hash_.resume(first.state() or b"")
        if when == "at work":
            os.kill(reader, signal.SIGSTOP)
        else:
            os.kill(reader, signal.SIGKILL)
        rest = asyncio.ensure_future(feed(feeder, file, place, 8 << 20, hash_))
        if when == "at work":
            await asyncio.sleep(0.2)
            assert not rest.done()
            os.kill(reader, signal.SIGKILL)
        assert place + await rest == len(CONTENT)
        assert hash_.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
        return reader

    first = new_hash("sha256")
    killed = asyncio.run(scenario())
    assert len(readers()) == 1
    assert readers() != [killed]


def test_two_feeds_at_a_time_do_not_wait_for_one_another(feeder: Feeder, file: Path) -> None:
    async def scenario() -> None:
        await feed(feeder, file, 0, 1, new_hash("sha256"))
        (stopped,) = readers()
        os.kill(stopped, signal.SIGSTOP)
        slow, fast = new_hash("sha256"), new_hash("sha512")
        waits = asyncio.ensure_future(feed(feeder, file, 0, 8 << 20, slow))
        await asyncio.sleep(0.2)
        assert await feed(feeder, file, 0, 8 << 20, fast) == len(CONTENT)
        assert fast.hexdigest() == hashlib.sha512(CONTENT).hexdigest()
        assert not waits.done()
        assert len(readers()) == 2
        os.kill(stopped, signal.SIGCONT)
        assert await waits == len(CONTENT)
        assert slow.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
        both = readers()
        for reader in both:
            os.kill(reader, signal.SIGKILL)
        until(lambda: readers() == [])
        assert await feed(feeder, file, 0, 8 << 20, new_hash("sha256")) == len(CONTENT)
        assert len(readers()) == 1, "none that died is asked"

    asyncio.run(scenario())


def test_a_feed_that_is_cancelled_leaves_its_reader_to_the_next(feeder: Feeder, file: Path) -> None:
    async def scenario() -> None:
        await feed(feeder, file, 0, 1, new_hash("sha256"))
        (reader,) = readers()
        os.kill(reader, signal.SIGSTOP)
        given_up = asyncio.ensure_future(feed(feeder, file, 5, 1 << 20, new_hash("sha256")))
        await asyncio.sleep(0.2)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        os.kill(reader, signal.SIGCONT)
        for size in (1 << 20, 2 << 20):
            hash_ = new_hash("sha256")
            assert await feed(feeder, file, 0, size, hash_) == size
            assert hash_.hexdigest() == hashlib.sha256(CONTENT[:size]).hexdigest()

    asyncio.run(scenario())


def test_an_end_does_not_wait_for_what_is_read(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(feeder: Feeder) -> None:
        await feed(feeder, file, 0, 1, hash_)
        os.kill(readers()[0], signal.SIGSTOP)
        waits = asyncio.ensure_future(feed(feeder, file, 1, 8 << 20, hash_))
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        feeder.close()
        assert time.monotonic() - begun < 1
        with pytest.raises(OSError, match="cancel") as refused:
            await waits
        assert refused.value.errno == errno.ECANCELED
        assert hash_.hexdigest() == hashlib.sha256(CONTENT[:1]).hexdigest()

    hash_ = new_hash("sha256")
    asyncio.run(scenario(Feeder()))
    assert readers() == []
    assert "reader_lost" not in caplog.text, "it was not lost, but ended"


def test_what_the_disk_says_is_handed_on_and_costs_no_reader(fed: Fed, file: Path) -> None:
    fed(file, 0, 1, new_hash("sha256"))
    before, hash_ = readers(), new_hash("sha256")
    with pytest.raises(IsADirectoryError):
        fed(file.parent, 0, 1, hash_)
    assert hash_.hexdigest() == hashlib.sha256(b"").hexdigest()
    assert fed(file, 0, 8 << 20, hash_) == len(CONTENT)
    assert hash_.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert readers() == before


def test_a_driver_tells_why_bytes_cannot_be_read_and_which_are_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(StorageUnavailable) as refused:
            await storage.feed("blobs/sha256/00", 0, 1, new_hash("sha256"))
        assert isinstance(refused.value.__cause__, IsADirectoryError)
        with pytest.raises(ObjectLost):
            await storage.feed("blobs/sha256/00/none", 0, 1, new_hash("sha256"))

    with opened("filesystem", str(tmp_path)) as storage:
        asyncio.run(scenario())


@pytest.mark.parametrize(
    "program", [["/nowhere"], ["true"], ["sh", "-c", "head -c 1 > /dev/null; echo nonsense >&0"]], ids=["none", "dying", "other"]
)
def test_where_no_reader_can_be_had_a_thread_reads(file: Path, program: list[str]) -> None:
    async def scenario(feeder: Feeder) -> None:
        for _ in range(2):
            hash_ = new_hash("sha256")
            assert await feed(feeder, file, 0, 8 << 20, hash_) == len(CONTENT)
            assert hash_.hexdigest() == hashlib.sha256(CONTENT).hexdigest()

    with closing(Feeder(program)) as feeder:
        asyncio.run(scenario(feeder))


@pytest.mark.parametrize("busy", [False, True])
def test_a_reader_dies_with_a_parent_that_is_killed(file: Path, *, busy: bool) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(file)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "fed\n"
        (reader,) = children_named(parent.pid, READER)
        if busy:
            os.kill(reader, signal.SIGSTOP)  # it hears of no end of the socket
        os.kill(reader, signal.SIGTERM)
        time.sleep(0.1)
        assert children_named(parent.pid, READER) == [reader], "it does not end before its parent"
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not lives(reader))
