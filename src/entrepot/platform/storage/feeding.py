"""Reading for a check: past the page cache, and behind everyone else who wants a processor.

The law of this module: whoever pulls must not feel that everything is read. The threads are the last to get a processor, and
what is read takes no memory from what is pulled. They have niceness 19 and not the policy SCHED_IDLE:
a thread that gets no processor while it has the interpreter's lock holds up the database steps of its process.
"""

import asyncio
import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from entrepot.platform.storage.hashing import RunningHash

_PIECE_BYTES: Final = 1 << 20
_THREADS: Final = 2
_NICENESS: Final = 19
_mine = threading.local()


class Feeder:
    """Threads of their own that read and hash."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage-checks", initializer=_come_last)

    def run(self, step: Callable[..., int], *arguments: object) -> "asyncio.Future[int]":
        """Let a thread do a step."""
        return asyncio.get_running_loop().run_in_executor(self._threads, step, *arguments)

    def close(self) -> None:
        """Wait for running steps and end the threads."""
        self._threads.shutdown()


def feed(file: int, first: int, size: int, hash_: RunningHash) -> int:
    """Feed at most `size` bytes of an open file to `hash_`, from the disk, and return how many there were. Raises OSError.

    Called in a thread of a Feeder.
    """
    direct = _set_direct(file, wanted=True) or _forget(file, first, size)
    place, end = first, first + size
    while place < end:
        with memoryview(_mine.piece)[: end - place] as piece:
            try:
                got = os.preadv(file, [piece], place)
            except OSError as error:
                if error.errno != errno.EINVAL or not direct:
                    raise
                # The place or the size is none at which this file system reads directly.
                _set_direct(file, wanted=False)
                direct = _forget(file, first, size)
                continue
            with piece[:got] as bytes_:
                hash_.update(bytes_)
        place += got
        if got < _PIECE_BYTES:  # most likely the end, and otherwise the next call goes on
            break
    if not direct:
        _forget(file, first, size)
    return place - first


def _set_direct(file: int, *, wanted: bool) -> bool:
    """Read past the page cache from now on, or no longer: copying through it costs more than hashing does."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT if wanted else flags & ~os.O_DIRECT)
    except OSError:
        return False  # the file system cannot
    return True


def _forget(file: int, first: int, size: int) -> bool:
    """Let the page cache forget these bytes; return False, as what is read next is not read directly."""
    os.posix_fadvise(file, first, size, os.POSIX_FADV_DONTNEED)
    return False


def _come_last() -> None:
    """Prepare a thread: on Linux each has a niceness of its own."""
    _mine.piece = mmap.mmap(-1, _PIECE_BYTES)  # begins at a page, as direct reads need it
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
