"""An HTTP/1.1 relay of our own, in a thread of the test: what stands between is the test's business, byte for byte.

`Relay.answer` decides about each request: it passes it on to a place, answers by itself, or breaks the connection. Nothing is
added to a request and nothing taken from it, so that a signature over its headers stays right and open access finds no proxy.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

Address = tuple[str, int]
_PIECE_BYTES: Final = 1 << 18
_LIMIT_S: Final = 30.0
_CONNECT_S: Final = 2.0
_LONGEST_HEAD: Final = 1 << 20  # more than any server of ours takes: it is its answer that a test asks for
# Sent at a close, it drops what was not sent yet and tells the other side of it.
_RESET: Final = struct.pack("ii", 1, 0)


class Broken(OSError):
    """The other end closed in the middle of something, or kept silent for too long."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the fields of a request or an answer, as they were sent."""

    raw: bytes

    @property
    def words(self) -> list[str]:
        """Return the words of the first line."""
        return self.raw.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)

    @property
    def status(self) -> int:
        """Return an answer's status."""
        return int(self.words[1])

    def field(self, name: str) -> str:
        """Return a field's value, empty when it is not there."""
        for line in self.raw.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.encode():
                return value.strip().decode("latin-1")
        return ""


@dataclass(frozen=True, slots=True)
class Ends:
    """The two directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Break it off so that the other side notices at once."""
        found: socket.socket | None = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            # asyncio's own socket knows no setsockopt of a closed one.
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)  # type: ignore[union-attr]
        self.writer.transport.abort()


@dataclass(slots=True)
class Asked:
    """A request whose head was read and whose body was not."""

    head: Head
    client: Ends
    is_open: bool = True  # another request may follow on the connection

    @property
    def method(self) -> str:
        """Return the method."""
        return self.head.words[0]

    @property
    def target(self) -> str:
        """Return path and query."""
        return self.head.words[1]

    async def drain(self) -> None:
        """Read the body and throw it away."""
        if self.head.field("expect"):
            self.client.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for _, _ in _body(self.client.reader, self.head, is_answer=False):
            pass

    async def answer(self, status: str, body: bytes = b"", kind: str = "text/plain") -> None:
        """Answer without asking anybody, and close: the body may not have been read."""
        self.is_open = False
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.client.writer.write(head.encode() + (b"" if self.method == "HEAD" else body))
        await self.client.writer.drain()

    def reset(self) -> None:
        """Break the connection off."""
        self.is_open = False
        self.client.reset()


class Relay:
    """Listens until the block is left; `host` is where clients go. Each request is given to `answer`."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self._address = address
        self.port = port
        self._started = threading.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._server: asyncio.Server
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True, name=type(self).__name__)

    @property
    def host(self) -> str:
        """Return the address as container tools name it."""
        return f"localhost:{self.port}" if self._address == "127.0.0.1" else f"{self._address}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address for an HTTP client."""
        return f"http://{self._address}:{self.port}"

    async def answer(self, asked: Asked) -> None:
        """Answer one request."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_LIMIT_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_LIMIT_S)
        assert not self._thread.is_alive()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Listen no more for a while, and break off what runs: connections are refused."""
        self._do(self._close())
        try:
            yield
        finally:
            self._do(self._open())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_S)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await self._open()
        self._started.set()
        await self._end.wait()
        await self._close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self._address, self.port, limit=_LONGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Ends(reader, writer)
        task = asyncio.get_running_loop().create_task(self._connected(client))
        self._running.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            writer.transport.abort()  # of one that was cancelled before it had begun, too

        task.add_done_callback(ended)

    async def _connected(self, client: Ends) -> None:
        # A client that went away, or was sent away, is nobody's failure; a stop of the relay ends its tasks.
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            try:
                await self._requests(client)
                client.writer.close()
                await client.writer.wait_closed()
            finally:
                client.writer.transport.abort()

    async def _requests(self, client: Ends) -> None:
        is_open = True
        while is_open and (head := await _head(client.reader)) is not None:
            asked = Asked(head, client, is_open=head.field("connection").lower() != "close")
            await self.answer(asked)
            is_open = asked.is_open


@dataclass(slots=True)
class Passage:
    """The way of one request to a place and of the answer back; what goes by may be changed, and the answer be cut."""

    asked: Asked
    patience_s: float = 60.0
    change_request: Callable[[bytes], bytes] = bytes
    change_answer: Callable[[bytes], bytes] = bytes
    keep_answer: bool = False  # read it, and do not hand it on
    cut_answer: bool = False  # hand on the head and half of the body
    status: int = 0  # of the answer, once its head is known

    async def run(self, place: Address) -> None:
        """Pass the request on, and its answer back.

        Raises:
            Broken: the place took no connection, or either side went silent or away before the whole answer was there.
        """
        server = await _connect(place, self.patience_s)
        asking, answering = asyncio.ensure_future(self._ask(server)), asyncio.ensure_future(self._answer(server))
        try:
            await asyncio.wait((asking, answering), return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and not answering.done():
                await asking  # whoever broke off is not waiting for an answer, and the place is to notice it
            await answering
            # Whoever is answered before all was said cannot say anything else on this connection.
            self.asked.is_open &= asking.done()
        finally:
            server.writer.transport.abort()  # first: whoever stops the relay in this moment ends the waiting below
            for each in (asking, answering):
                each.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)

    async def _ask(self, server: Ends) -> None:
        server.writer.write(self.asked.head.raw)
        async for piece, is_content in _body(self.asked.client.reader, self.asked.head, is_answer=False):
            server.writer.write(self.change_request(piece) if is_content else piece)
            await server.writer.drain()

    async def _answer(self, server: Ends) -> None:
        head = await self._next(server)
        while head.status < 200:  # "100 Continue": the answer itself is still to come
            self.asked.client.writer.write(head.raw)
            head = await self._next(server)
        self.status = head.status
        writer = self.asked.client.writer
        if not self.keep_answer:
            writer.write(head.raw)
        sent, half = 0, int(head.field("content-length") or 0) // 2
        async for piece, is_content in _body(
            server.reader, head, is_answer=True, method=self.asked.method, patience_s=self.patience_s
        ):
            if self.cut_answer and sent + len(piece) > half:
                writer.write(piece[: half - sent])
                await writer.drain()
                return
            sent += len(piece)
            if not self.keep_answer:
                writer.write(self.change_answer(piece) if is_content else piece)
                await writer.drain()
        if not _is_framed(head, self.asked.method):
            self.asked.is_open = False

    async def _next(self, server: Ends) -> Head:
        try:
            async with asyncio.timeout(self.patience_s):
                head = await _head(server.reader)
        except (TimeoutError, OSError):
            raise Broken("no answer") from None
        if head is None:
            raise Broken("closed before it answered")
        return head


async def _connect(place: Address, patience_s: float) -> Ends:
    try:
        async with asyncio.timeout(min(patience_s, _CONNECT_S)):
            return Ends(*await asyncio.open_connection(*place))
    except (TimeoutError, OSError):
        raise Broken(f"{place} takes no connection") from None


async def _head(reader: asyncio.StreamReader) -> Head | None:
    """Read up to the empty line; None at the end of the connection."""
    try:
        first = await reader.readexactly(1)
        if not first.isalpha():
            raise Broken("this is not HTTP")  # but TLS, which some clients try first: they must not wait for an answer
        return Head(first + await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as cut:
        if cut.partial:
            raise Broken("closed in the middle of a head") from None
        return None


def _is_framed(head: Head, method: str) -> bool:
    """Say whether an answer tells where it ends."""
    return bool(_has_no_body(head, method) or head.field("content-length") or head.field("transfer-encoding"))


def _has_no_body(head: Head, method: str) -> bool:
    return method == "HEAD" or head.status in (204, 304)


async def _body(
    reader: asyncio.StreamReader, head: Head, *, is_answer: bool, method: str = "", patience_s: float | None = None
) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the bytes of a body as they are on the wire, and whether they are content or framing."""

    async def some(at_most: int) -> bytes:
        try:
            async with asyncio.timeout(patience_s):
                return await reader.read(min(at_most, _PIECE_BYTES))
        except TimeoutError:
            raise Broken("silent in the middle of a body") from None

    if is_answer and _has_no_body(head, method):
        return
    if "chunked" in head.field("transfer-encoding").lower():
        async for each in _chunks(reader, some):
            yield each
    elif length := head.field("content-length"):
        async for piece in _exactly(int(length), some):
            yield piece, True
    elif is_answer:
        while piece := await some(_PIECE_BYTES):
            yield piece, True


async def _exactly(length: int, some: Callable[[int], Coroutine[Any, Any, bytes]]) -> AsyncIterator[bytes]:
    left = length
    while left:
        piece = await some(left)
        if not piece:
            raise Broken("closed in the middle of a body")
        left -= len(piece)
        yield piece


async def _chunks(
    reader: asyncio.StreamReader, some: Callable[[int], Coroutine[Any, Any, bytes]]
) -> AsyncIterator[tuple[bytes, bool]]:
    size = -1
    while size:
        line = await reader.readuntil(b"\r\n")
        yield line, False
        size = int(line.partition(b";")[0], 16)
        async for piece in _exactly(size, some):
            yield piece, True
        if size:
            yield await reader.readexactly(2), False
    line = b""
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        yield line, False
