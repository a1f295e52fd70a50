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
import socket
from collections.abc import Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from granian import _granian
from granian.http import HTTP1Settings

from entrepot.platform.serving.worker import Limits, Run, Server, scheduler, server_of

_granian_itself: Final[Any] = _granian  # its types say little

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0
# Longer than a handshake may take (10 s) and than a connection may idle (30 s, granian's header_read_timeout): when a retired
# server is told to end, nothing is left in it but transfers.
_PARTING_S: Final = 40.0
_LOOKS: Final = 100  # for a server's epoll
_BETWEEN_LOOKS_S: Final = 0.02
_TRIAL_S: Final = 20.0
_MOST_SAID: Final = 10_000
_SPARE: Final = 8  # descriptors that are given up when there are no others
_NONE: Final = -1  # no pair has this number
_UNIX: Final = True  # what granian's holder of a socket is told
_CLOSE: Final = (b"connection", b"close")


class Secured(Protocol):
    """What knows the certificate in force."""

    def newer(self, than: int) -> tuple[int, bytes] | None:
        """Return number and PEM (chain, key) of the certificate in force when its number is another than this."""

    def look_now(self) -> None:
        """Look for a renewed certificate at once."""


def securely(secured: Secured, limits: Limits) -> Run:
    """Return what serves HTTPS."""

    async def run(callback: Any, listener: socket.socket, stopping: asyncio.Event) -> None:
        await _Servers(secured, limits, callback, listener, stopping).run()

    return run


def refusal(pem: bytes) -> str:
    """Say why granian cannot serve with this chain and key, '' when it can.

    It is tried in a process of its own, because granian ends a process with a certificate that it cannot use.
    """
    said = os.memfd_create("entrepot-trial")
    try:
        child = multiprocessing.get_context("fork").Process(target=_try, args=(pem, said))
        child.start()
        child.join(_TRIAL_S)
        if child.exitcode == 0:
            return ""
        child.kill()
        child.join()
        text = os.pread(said, _MOST_SAID, 0).decode("utf-8", "replace")
        return text.partition(" value: ")[2].partition("\n")[0] or "no reason given"
    finally:
        os.close(said)


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
            server_of(holder, limits, file).serve_str_uds(scheduler(loop, _nothing), loop, _granian_itself.WorkerSignal())
    os._exit(0)  # the server's threads are not waited for


class _Server(Server):
    """A server with one certificate."""

    def __init__(self, pem: bytes, limits: Limits, callback: Any, listener: socket.socket) -> None:
        self._callback = callback
        self._retired = False
        self._socket = os.dup(listener.fileno())
        self._epoll: select.epoll | None = None
        with _file_of(pem) as file:
            super().__init__(self._answer, self._socket, limits, file)

    async def retire(self, stopping: asyncio.Event, deaf: socket.socket) -> None:
        """Take no more connections, ask clients to leave, and end when all is done; sooner when the worker stops."""
        self._retired = True
        await self.find_epoll()
        self.stop_taking(deaf)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _PARTING_S)
        await self.end()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: MutableMapping[str, Any]) -> None:
            if self._retired and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], _CLOSE]}
            await send(message)

        await self._callback(scope, receive, sent)

    async def find_epoll(self) -> None:
        """Find the server's epoll, which it makes a moment after its beginning; later there may be no descriptor to look with."""
        for _ in range(_LOOKS):
            if self._epoll is None:
                with contextlib.suppress(OSError):
                    self._epoll = await asyncio.to_thread(_epoll_of, self._socket)
            if self._epoll is not None:
                return
            await asyncio.sleep(_BETWEEN_LOOKS_S)

    def stop_taking(self, deaf: socket.socket) -> None:
        """Take the listening socket away from the server, which accepts nothing then; what it accepted goes on.

        granian has no word for this. Out of its epoll it is told of no connection any more, and if it asks by itself, it asks a
        socket to which nobody comes. In this order: what an epoll still knows of a descriptor that is another's would be told
        to memory that the server has freed.
        """
        if self._epoll is None:
            _log.warning("listener_not_found", extra={"socket": self._socket})
            return
        with contextlib.suppress(FileNotFoundError):  # it was done before
            self._epoll.unregister(self._socket)
        os.dup2(deaf.fileno(), self._socket, inheritable=False)


def _epoll_of(descriptor: int) -> select.epoll | None:
    """Return the epoll of this process that watches the descriptor."""
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(each.readlink()) != "anon_inode:[eventpoll]":
                continue
            watched = Path(f"/proc/self/fdinfo/{each.name}").read_text("ascii")
            if any(line.split()[:2] == ["tfd:", str(descriptor)] for line in watched.splitlines()):
                return select.epoll.fromfd(os.dup(int(each.name)))
    return None


class _Servers:
    """The server with the certificate in force, and those before it that still transfer something."""

    def __init__(self, secured: Secured, limits: Limits, callback: Any, listener: socket.socket, stopping: asyncio.Event) -> None:
        self._secured = secured
        self._begin = partial(_Server, limits=limits, callback=callback, listener=listener)
        self._listener = listener
        self._stopping = stopping
        self._files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._deaf = socket.socket(socket.AF_UNIX)
        self._deaf.bind("")  # a name that the kernel makes up
        self._deaf.listen(1)
        self._deaf.settimeout(0)
        self._spare = [self._deaf.dup() for _ in range(_SPARE)]

    async def run(self) -> None:
        """Serve until told to stop, and return when everything has ended."""
        number, current, resting = 0, None, False
        async with asyncio.TaskGroup() as retiring:
            while not self._stopping.is_set():
                if resting and self._has_room():
                    resting, number = False, _NONE  # whatever is in force begins anew
                    self._spare = [self._deaf.dup() for _ in range(_SPARE)]
                if not resting and (found := self._secured.newer(number)):
                    after = self._begun(found[1])
                    if after is not None:
                        if current is not None:
                            retiring.create_task(current.retire(self._stopping, self._deaf))
                        number, current = found[0], after
                        await after.find_epoll()
                elif current is not None and not resting and self._is_crowded():
                    current.stop_taking(self._deaf)
                    # The kernel looks for a free descriptor before it looks for a connection: without one, the server would not
                    # even learn that nobody comes.
                    for each in self._spare:
                        each.close()
                    resting = True
                    _log.warning("connections_waiting", extra={"open_files": self._files})
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _LOOK_EVERY_S)
            self._listener.close()
            if current is not None:
                await current.end()

    def _begun(self, pem: bytes) -> _Server | None:
        try:
            return self._begin(pem)
        except OSError as error:  # no descriptor is free, say: the one of before goes on
            _log.error("certificate_not_begun", extra={"reason": error.strerror})
            return None

    def _is_crowded(self) -> bool:
        """Tell whether nearly all descriptors are taken: the lowest that is free is a high one, or none is.

        granian counts connections only after their handshake, and when it finds no descriptor for another one it does not even
        end the handshakes that take too long: those who connect and say nothing would stop it for ever.
        """
        try:
            lowest = os.dup(self._deaf.fileno())
        except OSError:
            return True
        os.close(lowest)
        return lowest > self._files * 7 // 8

    def _has_room(self) -> bool:
        try:
            return len(list(Path("/proc/self/fd").iterdir())) < self._files * 3 // 4
        except OSError:
            return False


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
