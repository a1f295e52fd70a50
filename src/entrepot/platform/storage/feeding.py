"""Reading for a check, in processes of their own: who started them waits, and the interpreter's lock is free meanwhile.

The law of this module: a process that dies changes nothing of what is found. The hash is here, and only moves on with a whole
answer; so what was not answered is asked again, and where no process can be had a thread of this one reads.
"""

import asyncio
import errno
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from entrepot.platform.storage.hashing import RunningHash
from entrepot.platform.storage.reading import ANSWER, LONGEST, REQUEST, feed, new_piece

_log: Final = logging.getLogger(__name__)
_THREADS: Final = 2
_ATTEMPTS: Final = 2
_NO_NEW_ONE_FOR_S: Final = 60.0  # after it failed again: a step in a thread costs less than starting processes in vain
_NICENESS: Final = 19
_ENDED_WITHIN_S: Final = 2.0  # more takes only one that waits for a disk which does not answer
_FOLDER: Final = str(Path(__file__).parents[3])
_SCRIPT: Final = f"import sys; sys.path.append({_FOLDER!r}); from entrepot.platform.storage.reading import main; main()"
# -I, -S: it starts without the installed packages, and code that lies around where we were started is none of ours.
_PROGRAM: Final = (sys.executable, "-I", "-S", "-c", _SCRIPT)
_mine = threading.local()


class ReaderLost(Exception):
    """The process that was asked is no more, or could not be started."""


class Feeder:
    """Up to two feeds at a time, each with a process that reads; they are started when first needed, and stay."""

    def __init__(self, program: Sequence[str] = _PROGRAM) -> None:
        self._program = program
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage-checks", initializer=_come_last)
        self._lock = threading.Lock()
        self._readers: list[_Reader] = []
        self._resting: list[_Reader] = []
        self._closing = False
        self._none_before = 0.0

    def run(self, step: Callable[..., int], *arguments: object) -> "asyncio.Future[int]":
        """Let a thread do a step, in which `feed` may be called."""
        return asyncio.get_running_loop().run_in_executor(self._threads, step, *arguments)

    def feed(self, file: int, first: int, size: int, hash_: RunningHash) -> int:
        """Feed at most `size` bytes of an open file to `hash_`, from the disk, and return how many there were. Raises OSError."""
        state = hash_.state()
        if state is not None and time.monotonic() >= self._none_before:
            for _ in range(_ATTEMPTS):
                try:
                    with self._reader() as reader:
                        fed, state = reader.ask(file, (hash_.algorithm, first, size), state)
                except ReaderLost as lost:
                    self._require_open()
                    _log.warning("reader_lost", extra={"reason": str(lost)})
                else:
                    hash_.resume(state)
                    return fed
            self._none_before = time.monotonic() + _NO_NEW_ONE_FOR_S
        return feed(file, first, size, hash_, _mine.piece)

    def close(self) -> None:
        """End the processes, without waiting for what they read, and the threads."""
        with self._lock:
            self._closing = True
            for reader in self._readers:
                reader.stop()
        self._threads.shutdown()
        while self._readers:
            self._end(self._readers[-1])

    @contextmanager
    def _reader(self) -> Iterator["_Reader"]:
        """Borrow a process that rests, or start one; one that failed is not given back. Raises ReaderLost."""
        with self._lock:
            self._require_open()
            while self._resting and not self._resting[-1].lives():
                self._end(self._resting.pop())
            if not self._resting:
                self._resting.append(_Reader(self._program))
                self._readers.append(self._resting[-1])
            reader = self._resting.pop()
        try:
            yield reader
        except ReaderLost:
            with self._lock:
                self._end(reader)
            raise
        except OSError:  # the disk's, and an answer like any other
            with self._lock:
                self._resting.append(reader)
            raise
        with self._lock:
            self._resting.append(reader)

    def _end(self, reader: "_Reader") -> None:
        self._readers.remove(reader)
        reader.end()

    def _require_open(self) -> None:
        if self._closing:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


class _Reader:
    """One process that reads, and the socket to it; used by one thread at a time, and ended by any."""

    def __init__(self, program: Sequence[str]) -> None:
        command = [*program, str(os.getpid())]
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - ours
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
                )
        except OSError as error:
            self._socket.close()
            raise ReaderLost(f"it could not be started: {error}") from error

    def lives(self) -> bool:
        return self._process.poll() is None

    def ask(self, file: int, request: tuple[str, int, int], state: bytes) -> tuple[int, bytes]:
        """Let it feed a file; return how many bytes there were, and the hash's new state. Raises OSError, ReaderLost."""
        algorithm, first, size = request
        message = REQUEST.pack(algorithm.encode(), first, size) + state
        try:
            socket.send_fds(self._socket, [message], [file], socket.MSG_NOSIGNAL)
            answer = self._socket.recv(LONGEST)
        except OSError as error:
            raise ReaderLost(f"it is gone: {error}") from error
        if len(answer) != ANSWER.size + len(state):
            raise ReaderLost("it is gone" if not answer else "it is of another release")
        fed, trouble = ANSWER.unpack_from(answer)
        if trouble:
            raise OSError(trouble, os.strerror(trouble))
        return fed, answer[ANSWER.size :]

    def stop(self) -> None:
        """Kill it, and wake the thread that waits for its answer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()

    def end(self) -> None:
        """Kill it and forget it; called when no thread waits for its answer."""
        self.stop()
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDED_WITHIN_S)


def _come_last() -> None:
    """Prepare a thread for the feeds that it must do itself: on Linux each has a niceness of its own.

    It is not SCHED_IDLE: a thread that gets no processor while it has the interpreter's lock holds up all of its process.
    """
    _mine.piece = new_piece()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
