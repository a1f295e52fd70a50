"""How a check reads: past the page cache where that can be had, and last of all who want a processor."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.storage.feeding import Feeder, feed
from entrepot.platform.storage.hashing import RunningHash, new_hash

CONTENT: Final = os.urandom((3 << 20) + 5)
Fed = Callable[[Path, int, int, RunningHash], int]


class NicenessOfHashing:
    """Remembers what niceness the thread has that hashes."""

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


@pytest.fixture
def fed() -> Iterator[Fed]:
    """Feed bytes of a file in a feeder's thread."""
    feeder = Feeder()

    def feed_from(path: Path, first: int, size: int, hash_: RunningHash) -> int:
        async def scenario() -> int:
            file = os.open(path, os.O_RDONLY)
            try:
                return await feeder.run(feed, file, first, size, hash_)
            finally:
                os.close(file)

        return asyncio.run(scenario())

    yield feed_from
    feeder.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is on the disk and in memory."""
    path = tmp_path / "blob"
    with path.open("wb") as out:
        out.write(CONTENT)
        out.flush()
        os.fsync(out.fileno())
    return path


def test_a_check_takes_nothing_out_of_memory_that_is_pulled(fed: Fed, file: Path) -> None:
    hash_ = new_hash("sha256")
    assert in_memory(file)
    assert fed(file, 0, 8 << 20, hash_) == len(CONTENT)
    assert hash_.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
    assert in_memory(file)


@pytest.mark.parametrize(("first", "size"), [(0, 8 << 20), (1 << 20, 1 << 20), (7, 2 << 20), (4096, 12345), (len(CONTENT), 10)])
def test_what_cannot_be_read_directly_is_read_all_the_same(fed: Fed, file: Path, first: int, size: int) -> None:
    hash_, wanted = new_hash("sha256"), CONTENT[first : first + size]
    assert fed(file, first, size, hash_) == len(wanted)
    assert hash_.hexdigest() == hashlib.sha256(wanted).hexdigest()


def test_a_file_system_without_direct_reads_is_read_all_the_same(fed: Fed) -> None:
    path, hash_ = Path("/proc/version"), new_hash("sha256")
    assert fed(path, 0, 8 << 20, hash_) == len(path.read_bytes())
    assert hash_.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_who_hashes_for_a_check_comes_last_and_nobody_else_does(fed: Fed, file: Path) -> None:
    before, seen = niceness(), NicenessOfHashing()
    fed(file, 0, 8 << 20, seen)
    assert seen.seen == {19}
    assert niceness() == before < 19
