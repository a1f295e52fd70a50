"""The process that reads for checks: it is handed open files, reads them past the page cache, and hashes what it reads.

The law of this module: whoever pulls must not feel that everything is read. So the process gets a processor only when nobody
else wants it; it may wait for one as long as it likes, because it shares no interpreter's lock with anybody. `feeding.py` starts
it without the installed packages: nothing but the standard library and `hashing.py` may be imported here.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from entrepot.platform.storage.hashing import RunningHash, continued_hash

# Each message is one packet: a request goes with a file, both with the state of the hash behind them.
REQUEST: Final = struct.Struct("=16sqq")  # the algorithm, the first byte, how many
ANSWER: Final = struct.Struct("=qi")  # how many there were, and what was wrong with the disk (0: nothing)
LONGEST: Final = 4096
_PIECE_BYTES: Final = 1 << 20
_NICENESS: Final = 19
_ATTEMPTS: Final = 5
_ATTEMPT_EVERY_S: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15


def new_piece() -> mmap.mmap:
    """Return memory to read into: it begins at a page, as direct reads need it."""
    return mmap.mmap(-1, _PIECE_BYTES)


def feed(file: int, first: int, size: int, hash_: RunningHash, into: mmap.mmap) -> int:
    """Feed at most `size` bytes of an open file to `hash_`, from the disk, and return how many there were. Raises OSError."""
    direct = _set_direct(file, wanted=True) or _forget(file, first, size)
    place, end = first, first + size
    while place < end:
        with memoryview(into)[: end - place] as piece:
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


def main() -> None:
    """Answer requests on standard input, a socket, until nobody is at its other end; the argument is the parent's process id."""
    _end_with(int(sys.argv[1]))
    _come_last()
    into = new_piece()
    with socket.socket(fileno=0) as asker, suppress(BrokenPipeError):
        while True:
            message, files, _, _ = socket.recv_fds(asker, LONGEST, 1)
            if not message:
                return
            (file,) = files
            try:
                answer = _answer(message, file, into)
            finally:
                os.close(file)
            asker.send(answer)


def _answer(message: bytes, file: int, into: mmap.mmap) -> bytes:
    name, first, size = REQUEST.unpack_from(message)
    hash_ = continued_hash(name.rstrip(b"\0").decode(), message[REQUEST.size :])
    state = hash_.state() if hash_ else None
    if hash_ is None or state is None:
        raise ValueError("this process cannot continue a hash of the one that started it")
    try:
        fed = feed(file, first, size, hash_, into)
    except OSError as error:
        return ANSWER.pack(0, error.errno or errno.EIO) + state
    return ANSWER.pack(fed, 0) + (hash_.state() or b"")


def _end_with(parent: int) -> None:
    """Die with whoever started us, and only then: a service that is stopped ends its job process, and that one us."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    kernel = ctypes.CDLL(None)
    kernel.prctl(_PR_SET_NAME, b"entrepot-reads")
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel knew that we want to end with it
        raise SystemExit(1)


def _come_last() -> None:
    """Take only what is idle. Whatever the machine refuses is done without."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Between sessions Linux shares processors evenly, whatever is in them, unless the whole session has a niceness.
    group = Path("/proc/self/autogroup")
    for _ in range(_ATTEMPTS):
        try:
            group.write_text(str(_NICENESS), "ascii")
        except BlockingIOError:  # it takes one change in a tenth of a second, of all the machine's sessions
            time.sleep(_ATTEMPT_EVERY_S)
        except OSError:
            return  # no such groups here
        else:
            return
