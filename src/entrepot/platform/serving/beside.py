"""A process beside the web workers: forked from the supervisor with all its code, replaced when it dies, ended with it."""

import ctypes
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from typing import Final

_log: Final = logging.getLogger(__name__)
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_CALM_S: Final = 10.0
_NICENESS: Final = 10
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Beside:
    """Keeps one process running; a thread of the supervisor starts it and waits for it.

    The process is told to end (SIGTERM) when that thread ends, and so when the supervisor is killed.
    """

    def __init__(self, name: str, run: Callable[[], None], *, over: Callable[[], bool], kill_after_s: float) -> None:
        self._name = name
        self._run = run
        self._over = over
        self._kill_after_s = kill_after_s
        self._ending = threading.Event()
        self._child: multiprocessing.process.BaseProcess | None = None
        self._thread = threading.Thread(target=self._keep, name=f"keeper of {name}", daemon=True)

    def start(self) -> None:
        """Start it; called once."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end, and return at once; a second call does nothing."""
        if not self._ending.is_set():
            self._ending.set()
            if self._child is not None and self._child.pid is not None:
                self._child.terminate()

    def join(self) -> None:
        """Wait until it has ended; after a while it is killed, which costs its jobs no more than their leases."""
        self.stop()
        self._thread.join(self._kill_after_s)
        if self._thread.is_alive() and self._child is not None:
            _log.warning("process_killed", extra={"which": self._name, "after_seconds": self._kill_after_s})
            self._child.kill()
            self._thread.join()

    def _keep(self) -> None:
        pause_s = _SHORTEST_PAUSE_S
        while not self._ending.is_set():
            self._child = self._fork()
            if self._ending.is_set():
                self._child.terminate()  # `stop` came before there was anything to tell
            calm = not _ended(self._child, _CALM_S)
            self._child.join()
            if self._ending.is_set() or self._over():
                return
            pause_s = _SHORTEST_PAUSE_S if calm else min(pause_s * 2, _LONGEST_PAUSE_S)
            _log.error(
                "process_died",
                extra={"which": self._name, "exit_code": self._child.exitcode, "replaced_in_seconds": pause_s},
            )
            self._ending.wait(pause_s)

    def _fork(self) -> multiprocessing.process.BaseProcess:
        child = multiprocessing.get_context("fork").Process(target=_enter, args=(self._name, self._run, os.getpid()))
        # Until the process has handlers of its own, a signal would run the supervisor's, and be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            child.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child


def _ended(child: multiprocessing.process.BaseProcess, within_s: float) -> bool:
    child.join(within_s)
    return not child.is_alive()


def end_with(supervisor: int, by: signal.Signals = signal.SIGTERM) -> None:
    """Let this process be ended by a signal when the supervisor is gone: nobody else would, and a worker would hold its port."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != supervisor:  # it died before the kernel knew that we want to end with it
        raise SystemExit(1)


def _enter(name: str, run: Callable[[], None], supervisor: int) -> None:
    """Become the process: named, low in priority, and ended with the supervisor. `run` lets the signals through."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
    os.nice(_NICENESS)
    end_with(supervisor)
    run()
