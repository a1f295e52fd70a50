"""A web worker: it serves with granian until it is told to end, lets running transfers end, and is gone.

It is ours and not granian's for the sake of its end. granian's own takes down the threads of its runtime while it holds the
interpreter's lock; when one of them wants that lock, both wait for ever, with all that the process holds. And of the signals
that tell granian's worker to end, the third waits in the same way: a service manager, the supervisor and an impatient operator
each send one.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

import msgspec
from granian import _futures, _granian, asgi
from granian.constants import SSLProtocols
from granian.http import HTTP1Settings
from granian.server import mp

# What granian calls its own, and of which its types say little or nothing.
_futures_of_granian: Final[Any] = _futures
_granian_itself: Final[Any] = _granian
_asgi: Final[Any] = asgi
_processes: Final[Any] = mp.WorkerProcess

_BLOCKING_THREADS: Final = 512  # granian's default
_TCP: Final = False  # what granian's holder of a socket is told


class Limits(msgspec.Struct, frozen=True):
    """What a server of granian is told beside its certificate."""

    backlog: int
    connections: int
    http1: HTTP1Settings


# Serves an application on a listening socket until the event; returns when nothing runs any more.
Run = Callable[[Any, socket.socket, asyncio.Event], Coroutine[Any, Any, None]]


def worker_of(run: Run) -> Callable[..., None]:
    """Return what granian's supervisor runs in a worker instead of its own."""
    return cast("Callable[..., None]", _processes.wrap_target(partial(_work, run)))


def _work(run: Run, _id: int, callback: Any, sock: Any, _ipc: Any, loop: Any, *_more: Any) -> None:
    """Be a worker until told to end."""
    lifespan = _asgi.LifespanProtocol(callback)
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is the supervisor's
    loop.run_until_complete(lifespan.startup())
    if lifespan.interrupt:
        sys.exit(1)
    # SO_REUSEPORT: each worker has a socket of its own, which it keeps for its life.
    listener = socket.socket(fileno=sock[0].build().get_fd())
    loop.run_until_complete(run(callback, listener, stopping))
    loop.run_until_complete(lifespan.shutdown())


def plainly(limits: Limits) -> Run:
    """Return what serves HTTP."""

    async def run(callback: Any, listener: socket.socket, stopping: asyncio.Event) -> None:
        server = Server(callback, os.dup(listener.fileno()), limits)
        await stopping.wait()
        listener.close()
        await server.end()

    return run


class Server:
    """One server of granian, from the moment it is made until it has ended; `listener` is a descriptor that it will close.

    With `file`, which has chain and key, it serves HTTPS.
    """

    def __init__(self, callback: Any, listener: int, limits: Limits, file: str = "") -> None:
        loop = asyncio.get_running_loop()
        self._signal = _granian_itself.WorkerSignal()
        self._ended = asyncio.Event()
        self._signal.add_cb(lambda: loop.call_soon_threadsafe(self._ended.set))
        holder = _granian_itself.SocketHolder(listener, _TCP, limits.backlog)
        # Each thread of this mode takes down its own runtime. In the other one (`serve_mtr`) a second thread does, and waits for
        # the first with the interpreter's lock, which the first may want: see above.
        server_of(holder, limits, file).serve_str(scheduler(loop, callback), loop, self._signal)

    async def end(self) -> None:
        """Let running transfers end; called once, because a second signal would block."""
        self._signal.set()
        await self._ended.wait()


def server_of(holder: Any, limits: Limits, file: str) -> Any:
    """Return a server with our settings: HTTP/1.1 alone, which is also what ALPN offers then, and TLS from 1.2 on."""
    secured = {"ssl_enabled": True, "ssl_cert": file, "ssl_key": file, "ssl_protocol_min": str(SSLProtocols.tls12)}
    return _granian_itself.ASGIWorker(
        1,
        (None, holder),
        None,
        blocking_threads=_BLOCKING_THREADS,
        backpressure=limits.connections,
        http_mode="1",
        http1_opts=limits.http1,
        **(secured if file else {}),
    )


def scheduler(loop: Any, callback: Any) -> Any:
    """Return what runs the application for a server."""
    watched = _futures_of_granian._future_watcher_wrapper(_asgi._callback_wrapper(callback, {}, {}, None))  # noqa: SLF001
    return _futures_of_granian._new_cbscheduler(loop, watched, impl_asyncio=True)  # noqa: SLF001
