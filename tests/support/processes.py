"""Starts servers for tests so that none outlives the run: each in its own group, told to end when its parent dies."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

BESIDE: Final = ("entrepot-jobs", "entrepot-index")
_KILL_LIMIT_S: Final = 10.0


class ServerDiedError(AssertionError):
    """A server ended, or never answered; the message holds the end of its log."""


class Server:
    """A running server: its process group, its log, and how it is ended.

    It must be started from a thread that lives as long as it: the kernel ends it with the thread that started it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: dict[str, str] | None = None,
        ends_by: str = "TERM",
        become: Sequence[str] = (),
    ) -> None:
        self.log = log
        self._ends_by = signal.Signals[f"SIG{ends_by}"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                # A change of user takes back the wish to end with the parent, so it comes first.
                [*become, "setpriv", "--pdeathsig", ends_by, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, answers: Callable[[], bool], limit_s: float) -> None:
        """Wait until the server answers.

        Raises:
            ServerDiedError: it ended before, or did not answer in time.
        """
        try:
            self._wait_until(answers, limit_s)
        except BaseException:
            # Whatever broke off the wait, an interrupted test run too: nobody else would end this server.
            self.kill()
            raise

    def stop(self, limit_s: float) -> int:
        """Ask it to end, wait, and return its exit code; whatever is left of its group is killed.

        Raises:
            ServerDiedError: it did not end in time.
        """
        if self.process.poll() is None:
            self.process.send_signal(self._ends_by)
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerDiedError(f"it did not end within {limit_s} s of being asked:\n{self.log_end()}") from None
        self._signal_group(signal.SIGKILL)
        return code

    def kill(self) -> None:
        """End it and all its descendants at once, without a chance to clean up."""
        # PostgreSQL's and Docker's children are in groups of their own, so they are looked up while their parent lives.
        below = descendants(self.process.pid)
        self._signal_group(signal.SIGKILL)
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(_KILL_LIMIT_S)

    def log_end(self, lines: int = 60) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-lines:])

    def _wait_until(self, answers: Callable[[], bool], limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not answers():
            if self.process.poll() is not None:
                raise ServerDiedError(f"it ended with {self.process.returncode} before it answered:\n{self.log_end()}")
            if time.monotonic() > end:
                raise ServerDiedError(f"no answer within {limit_s} s:\n{self.log_end()}")
            time.sleep(0.02)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def children(pid: int) -> list[int]:
    """Return the processes that this one started itself: of a server, its workers and its job process, in no order."""
    return _parents().get(pid, [])


def descendants(pid: int) -> list[int]:
    """Return the processes below this one, parents before their children."""
    parents = _parents()
    found = [pid]
    for each in found:
        found.extend(parents.get(each, ()))
    return found[1:]


def web_workers(pid: int) -> list[int]:
    """Return the processes of a server that serve: its children but for the one beside them, which has a name of its own."""
    found = []
    for each in children(pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{each}/comm").read_text("utf-8").strip() not in BESIDE:
                found.append(each)
    return found


def children_named(pid: int, name: str) -> list[int]:
    """Return the processes below this one that have this name and are no zombies."""
    found = []
    for each in descendants(pid):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{each}/stat").read_text("utf-8", errors="replace")
            if f"({name})" in stat and stat.rpartition(")")[2].split()[0] != "Z":
                found.append(each)
    return found


def _parents() -> dict[int, list[int]]:
    """Return the children of every process."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text("utf-8", errors="replace")
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    return parents


def free_port() -> int:
    """Return a loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def accepts(port: int) -> bool:
    """Say whether something on loopback accepts connections on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
