"""Processes as the kernel accounts for them: starting and ending them, their processor time, their memory.

A server is everything that descends from the process we started, so workers and helpers count like their parent.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.failure import BenchmarkFailed

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_LOG_TAIL: Final = 1500
_STOP_S: Final = 20
_SETTLED_S: Final = 0.05
# Fields of /proc/PID/stat, counted from the state (the third) on: the name before it may hold spaces.
_PARENT: Final = 1
_USER_TO_REAPED_SYSTEM: Final = slice(11, 15)


def free_port() -> int:
    """Return a port of the loopback address on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stat(pid: int) -> list[str]:
    """Return a process's fields from its state on; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _tree(root: int) -> Iterator[int]:
    """Give the process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(children.get(pid, ()))


class Program:
    """A program that we started, with its children."""

    def __init__(self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The first process."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, at_most_s: float, pause_s: float = 0.02) -> None:
        """Ask again and again until `ready` says yes.

        Raises:
            BenchmarkFailed: the program ended, or it took too long; the message has the end of its log.
        """
        deadline = time.monotonic() + at_most_s
        while not ready():
            if self._process.poll() is not None:
                raise BenchmarkFailed(f"{self._process.args!r} ended with {self._process.returncode}: {self._tail()}")
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"{self._process.args!r} is not ready after {at_most_s} s: {self._tail()}")
            time.sleep(pause_s)

    def stop(self) -> None:
        """End it and whatever of its children is left."""
        family = list(_tree(self.pid))
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        time.sleep(_SETTLED_S)
        for pid in family[1:]:
            # Reparented children keep our session's number, which tells them from a process that got a freed number.
            with suppress(ProcessLookupError):
                if os.getsid(pid) == self.pid:
                    os.kill(pid, signal.SIGKILL)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-_LOG_TAIL:]


def cpu_s(root: int) -> float:
    """Return the processor time so far of a process and all below it, children that have ended included."""
    return sum(sum(map(int, _stat(pid)[_USER_TO_REAPED_SYSTEM])) for pid in _tree(root)) / _TICKS_PER_S


def pss_bytes(root: int) -> int:
    """Return the proportional set size of a process and all below it."""
    return sum(_pss_bytes(pid) for pid in _tree(root))


def _pss_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
