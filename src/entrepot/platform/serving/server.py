"""granian with our settings: workers forked from a process that has imported everything, replaced when they die.

A stop comes in two steps: first /readyz fails, so that a balancer looks elsewhere; after the delay the port is closed and
running transfers may end.
"""

import contextlib
import errno
import gc
import logging
import mmap
import multiprocessing
import os
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.mp import MPServer as Server

from entrepot.base.errors import EntrepotError
from entrepot.platform.serving.beside import Beside, end_with
from entrepot.platform.serving.connections import Connections
from entrepot.platform.serving.secure import Secured, securely
from entrepot.platform.serving.supervision import Supervision
from entrepot.platform.serving.worker import Limits, plainly, worker_of

_log: Final = logging.getLogger(__name__)
_BACKLOG: Final = 2048
_MOST_FILES: Final = 65_536  # more would only make larger tables
_OWN_FILES: Final = 100  # that a worker has open for itself: libraries, database, log, threads
# A worker that hung at its end would hold SQLite's turn to write, and nobody would end it: a supervisor kills it after a while,
# without one the kernel does, at once.
_LOST_WORKER: Final = signal.SIGKILL
_CALM_S: Final = 10.0
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_BESIDE_KILL_S: Final = 15.0
# Pieces of a body come in at most this size; with granian's default of 400 KiB an upload takes almost twice as long.
_BODY_BUFFER: Final = 2 << 20
_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on


class PortTaken(EntrepotError):
    """Another program listens on the address."""

    summary = "{address} cannot be listened on: {reason}. Stop the program that uses it, or choose another port with --listen"


class Serving(msgspec.Struct, frozen=True):
    """How to serve: durations in seconds; with `secured`, HTTPS."""

    host: str
    port: int
    workers: int
    shutdown_delay_s: int
    shutdown_limit_s: int
    secured: Secured | None = None


class Draining:
    """A mark that the supervisor sets and its workers see: one byte of memory that they share."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """Set the mark."""
        self._shared[0] = 1

    def __call__(self) -> bool:
        """Tell whether it is set."""
        return self._shared[0] == 1


class _Supervisor(Server):
    """granian's, with a pause between being told to stop and stopping."""

    def __init__(self, serving: Serving, draining: Draining, claim: socket.socket, beside: Beside | None, **options: Any) -> None:
        super().__init__(**options)
        self._claim = claim
        self._beside = beside
        self._delay_s = serving.shutdown_delay_s
        self._last_death = 0.0
        self._pause_s = _SHORTEST_PAUSE_S
        self._draining = draining
        self._secured = serving.secured
        self._supervision = Supervision()
        self._supervision.ready_when_it_answers(options["address"], serving.port)

    def signal_handler_reload(self, *_signal: object, **_more: object) -> None:
        """Look for a renewed certificate. granian would replace its workers one by one, and serve nothing else meanwhile."""
        if self._secured is not None:
            self._secured.look_now()

    def signal_handler_interrupt(self, *_signal: object, **_more: object) -> None:
        if self._draining() or not self._delay_s:
            self._stop()  # a second signal does not wait
            return
        self._draining.begin()
        self._supervision.stopping()
        _log.info("stopping", extra={"in_seconds": self._delay_s})
        timer = threading.Timer(self._delay_s, self._stop)
        timer.daemon = True
        timer.start()

    def _respawn_workers(self, workers: list[int], *loaders: Any, **more: Any) -> None:
        """Replace workers that died: at once, and when they go on dying with growing pauses, but never give up serving."""
        now = time.monotonic()
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S) if now - self._last_death < _CALM_S else _SHORTEST_PAUSE_S
        self._last_death = now
        _log.error("worker_died", extra={"workers": len(workers), "replaced_in_seconds": self._pause_s})
        time.sleep(self._pause_s)
        super()._respawn_workers(workers, *loaders, **more)
        # granian ends the whole server when one worker dies twice in a few seconds: what it remembers of deaths is forgotten.
        self.respawned_wrks.clear()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers; while their last transfers run, another server may already take the port that they have left."""
        self._claim.close()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # granian's has no types

    def _stop_workers(self) -> None:
        if self._beside is not None:
            self._beside.stop()  # it ends while running transfers may end
        super()._stop_workers()  # type: ignore[no-untyped-call]  # granian's own gap

    def _stop(self) -> None:
        self._draining.begin()
        self._supervision.stopping()
        self.interrupt_signal = True
        self.main_loop_interrupt.set()


Make = Callable[[Draining, Connections], Any]


def serve(serving: Serving, make: Make, work: tuple[str, Callable[[], None]] | None = None) -> None:
    """Serve until told to stop; `make` builds the ASGI application in each worker.

    It is given the draining mark, and the worker's connections, which it tells what is busy.
    `work` is what a process beside the workers does, behind the name that the process has.

    Raises:
        PortTaken
    """
    address, claim = _claimed(serving.host, serving.port)
    # What is imported now is shared by all workers; what was allocated so far is never looked at by the collector again.
    multiprocessing.set_start_method("fork", force=True)
    gc.collect()
    gc.freeze()
    draining = Draining()
    beside = Beside(*work, over=draining, kill_after_s=_BESIDE_KILL_S) if work else None
    limits = Limits(_BACKLOG, _most_connections(_raised_file_limit()), HTTP1Settings(max_buffer_size=_BODY_BUFFER))
    server = _Supervisor(
        serving,
        draining,
        claim,
        beside,
        target="entrepot",
        address=address,
        port=serving.port,
        interface=Interfaces.ASGI,
        workers=serving.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=limits.http1,
        websockets=False,
        backlog=limits.backlog,
        backpressure=limits.connections,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=serving.shutdown_limit_s,
    )
    if beside is not None:
        beside.start()
    try:
        own = worker_of(securely(serving.secured, limits) if serving.secured else plainly(limits))
        loader = _loader(make, draining, limits.connections, serving.port)
        server.serve(spawn_target=own, target_loader=loader, wrap_loader=False)
    finally:
        if beside is not None:
            beside.join()


def _loader(make: Make, draining: Draining, most: int, port: int) -> Callable[[], Any]:
    """Return what each worker does first; a worker ends with the process that calls this."""
    supervisor = os.getpid()

    def loaded() -> Any:
        end_with(supervisor, _LOST_WORKER)
        connections = Connections(most, port)
        application = make(draining, connections)
        connections.watch()
        return application

    return loaded


def _raised_file_limit() -> int:
    """Raise the number of files that this process and its workers may have open as far as we may; return it.

    Shells and systemd give 1024, a number of the times of select(), and leave it to programs to take more. That
    granian 2 does the same when it is imported is promised nowhere.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def _most_connections(files: int) -> int:
    """Return how many connections a worker takes: each may need a file beside itself; the others wait in the backlog.

    A worker that takes more than it has descriptors for would go on trying to accept the next one, and do nothing else.
    """
    return max(1, min(_BACKLOG, (files - _OWN_FILES) // 2))


def _claimed(host: str, port: int) -> tuple[str, socket.socket]:
    """Return the address of `host` when nobody listens there, and what keeps other servers from it until it is closed.

    The workers share their port, so that a second server would start without a word and get half of the requests. Whoever
    listens is found by trying; one that starts at the same moment and does not listen yet is found by its claim. That is a
    socket with an abstract name: it is seen where the port is seen, and ends with its process.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        address = str(where[0])
        claim.bind(f"\0entrepot-{address}:{port}")
        _look_for_wider_claims(address, port)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except OSError as error:
        claim.close()
        raise PortTaken(address=f"{host}:{port}", reason=error.strerror or error) from None
    # A worker that outlived the supervisor with a copy of the claim would keep a new server from starting.
    os.register_at_fork(after_in_child=claim.close)
    return address, claim


def _look_for_wider_claims(address: str, port: int) -> None:
    """Raise OSError when another claim has this port at every address, or we have it at every address and another at one.

    It is done when our own claim is made, so that of two servers at least one sees the other.
    """
    listed = ""
    with contextlib.suppress(OSError):  # where the kernel does not list its sockets, whoever listens already is still found
        listed = Path("/proc/self/net/unix").read_text("utf-8", "replace")
    others = set(re.findall(rf" @entrepot-(\S+):{port}$", listed, re.MULTILINE)) - {address}
    if others and (address in _EVERY_ADDRESS or others & _EVERY_ADDRESS):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
