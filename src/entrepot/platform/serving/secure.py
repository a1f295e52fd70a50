"""HTTPS in a worker: granian with a certificate that can be replaced while it serves.

granian reads its certificate once. So a worker runs a second server of granian beside the first one, in the same process and on
the same listening socket, and then retires the first: nobody is refused, because the socket is never closed; no handshake is
broken off, because the old server first stops taking connections and ends later; and what it transfers may take as long as it
takes, because nothing waits for it.
"""

import asyncio
import contextlib
import faulthandler
import logging
import multiprocessing
import os
import resource
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, cast

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

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0
# Longer than a handshake may take (10 s) and than a connection may idle (30 s, granian's header_read_timeout): when a retired
# server is told to end, nothing is left in it but transfers.
_PARTING_S: Final = 40.0
_TRIAL_S: Final = 20.0
_BLOCKING_THREADS: Final = 512  # granian's default
_TCP, _UNIX = False, True  # what granian's holder of a socket is told
_CLOSE: Final = (b"connection", b"close")


class Secured(Protocol):
    """What knows the certificate in force."""

    def newer(self, than: int) -> tuple[int, bytes] | None:
        """Return number and PEM (chain, key) of the certificate in force when its number is another than this."""

    def look_now(self) -> None:
        """Look for a renewed certificate at once."""


class Limits(msgspec.Struct, frozen=True):
    """What a server of granian is told beside its certificate."""

    backlog: int
    connections: int
    http1: HTTP1Settings


def worker_of(secured: Secured, limits: Limits) -> Callable[..., None]:
    """Return what granian's supervisor runs in a worker instead of its own."""
    return cast("Callable[..., None]", _processes.wrap_target(partial(_work, secured, limits)))


def refusal(pem: bytes) -> str:
    """Say why granian cannot serve with this chain and key, '' when it can.

    It is tried in a process of its own, because granian ends a process with a certificate that it cannot use.
    """
    with tempfile.TemporaryFile() as said:
        child = multiprocessing.get_context("fork").Process(target=_try, args=(pem, said.fileno()))
        child.start()
        child.join(_TRIAL_S)
        if child.exitcode == 0:
            return ""
        child.kill()
        child.join()
        said.seek(0)
        return said.read().decode("utf-8", "replace").partition(" value: ")[2].partition("\n")[0] or "no reason given"


def _try(pem: bytes, said: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would have the key in it
    faulthandler.disable()
    os.dup2(said, 2)
    loop = asyncio.new_event_loop()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("")  # a name that the kernel makes up
        holder = _granian_itself.SocketHolder(os.dup(listener.fileno()), _UNIX, 1)
        limits = Limits(1, 1, HTTP1Settings())
        with _file_of(pem) as file:
            _server_of(holder, limits, file).serve_mtr_uds(_scheduler(loop, _nothing), loop, _granian_itself.WorkerSignal())
    os._exit(0)  # the server's threads are not waited for


def _work(secured: Secured, limits: Limits, _id: int, callback: Any, sock: Any, _ipc: Any, loop: Any, *_more: Any) -> None:
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
    loop.run_until_complete(_Servers(secured, limits, callback, listener, stopping).run())
    loop.run_until_complete(lifespan.shutdown())


class _Server:
    """One server of granian: with one certificate, from the moment it is made until it has ended."""

    def __init__(self, pem: bytes, limits: Limits, callback: Any, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._callback = callback
        self._retired = False
        self._signal = _granian_itself.WorkerSignal()
        self._ended = asyncio.Event()
        self._signal.add_cb(lambda: loop.call_soon_threadsafe(self._ended.set))
        self._socket = os.dup(listener.fileno())  # granian closes it
        with _file_of(pem) as file:
            granian = _server_of(_granian_itself.SocketHolder(self._socket, _TCP, limits.backlog), limits, file)
            granian.serve_mtr(_scheduler(loop, self._answer), loop, self._signal)

    async def retire(self, stopping: asyncio.Event) -> None:
        """Take no more connections, ask clients to leave, and end when all is done; sooner when the worker stops."""
        self._retired = True
        await asyncio.to_thread(self._stop_taking)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _PARTING_S)
        await self.end()

    async def end(self) -> None:
        """Let running transfers end; called once, because a second signal would block."""
        self._signal.set()
        await self._ended.wait()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: MutableMapping[str, Any]) -> None:
            if self._retired and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._callback(scope, receive, sent)

    def _stop_taking(self) -> None:
        """Take the listening socket out of the server's epoll: it is told of no connection any more, and accepts none.

        granian has no word for this. What it accepted goes on; the socket itself stays open for the next server.
        """
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(descriptor.readlink()) != "anon_inode:[eventpoll]":
                    continue
                watched = Path(f"/proc/self/fdinfo/{descriptor.name}").read_text("ascii")
                if any(line.split()[:2] == ["tfd:", str(self._socket)] for line in watched.splitlines()):
                    with select.epoll.fromfd(os.dup(int(descriptor.name))) as epoll:
                        epoll.unregister(self._socket)
                    return
        _log.warning("listener_not_found", extra={"socket": self._socket})


class _Servers:
    """The server with the certificate in force, and those before it that still transfer something."""

    def __init__(self, secured: Secured, limits: Limits, callback: Any, listener: socket.socket, stopping: asyncio.Event) -> None:
        self._secured = secured
        self._begin = partial(_Server, limits=limits, callback=callback, listener=listener)
        self._listener = listener
        self._stopping = stopping

    async def run(self) -> None:
        """Serve until told to stop, and return when everything has ended."""
        number, current = 0, None
        async with asyncio.TaskGroup() as retiring:
            while not self._stopping.is_set():
                if found := self._secured.newer(number):
                    try:
                        after = self._begin(found[1])
                    except OSError as error:  # no descriptor is free, say: the one of before goes on
                        _log.error("certificate_not_begun", extra={"reason": error.strerror})
                    else:
                        if current is not None:
                            retiring.create_task(current.retire(self._stopping))
                        number, current = found[0], after
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _LOOK_EVERY_S)
            self._listener.close()
            if current is not None:
                await current.end()


def _server_of(holder: Any, limits: Limits, file: str) -> Any:
    """Return a server with our settings: HTTP/1.1 alone, which is also what ALPN offers then, and TLS from 1.2 on."""
    return _granian_itself.ASGIWorker(
        1,
        (None, holder),
        None,
        blocking_threads=_BLOCKING_THREADS,
        backpressure=limits.connections,
        http_mode="1",
        http1_opts=limits.http1,
        ssl_enabled=True,
        ssl_cert=file,
        ssl_key=file,
        ssl_protocol_min=str(SSLProtocols.tls12),
    )


def _scheduler(loop: Any, callback: Any) -> Any:
    watched = _futures_of_granian._future_watcher_wrapper(_asgi._callback_wrapper(callback, {}, {}, None))  # noqa: SLF001
    return _futures_of_granian._new_cbscheduler(loop, watched, impl_asyncio=True)  # noqa: SLF001


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answer nobody."""


@contextlib.contextmanager
def _file_of(pem: bytes) -> Iterator[str]:
    """Give the name of a file in memory with this content: granian reads files only, and a key shall lie in no other."""
    descriptor = os.memfd_create("entrepot-certificate")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, pem)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
