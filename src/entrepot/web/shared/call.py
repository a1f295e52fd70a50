"""A request and its answer on the raw ASGI path: no framework object stands between the server and a handler."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from entrepot.base.addresses import Peer, network_of, peer_of
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.audit.model import Origin
from entrepot.web.shared.pace import IN_MEMORY_S, Pace
from entrepot.web.shared.request_ids import HEADER as REQUEST_ID
from entrepot.web.shared.request_ids import RequestIds

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
_MAX_PARAMETERS: Final = 200
_DRAINED_BYTES: Final = 8 << 20
_LOGGED_PATH: Final = 300
_LINKS: Final = b"/accounts/links/"  # what follows lets somebody in
# The longest that clients of ours send are podman's ranges (25 KiB) and a hundred tags in one query (14 KiB).
_MAX_HEADERS: Final = 64 << 10
_MAX_TARGET: Final = 32 << 10
_LARGE_BODY: Final = 64 << 10
_LARGE_BODIES: Final = 64 << 20
_STALLED_S: Final = 300.0  # a client that takes nothing for so long holds memory for nobody
_REST_S: Final = 2.0


class BodyTooLarge(EntrepotError):
    """The body is larger than what this address takes."""

    summary = "the body is larger than the {limit} bytes that are accepted here"


class HeadersTooLarge(EntrepotError):
    """The headers are larger than any client's."""

    summary = "the request's headers have {size} bytes; at most {limit} are accepted"


class TargetTooLong(EntrepotError):
    """The address is longer than any client's."""

    summary = "the request's address has {size} bytes; at most {limit} are accepted"


class TooManyLargeBodies(Unavailable):
    """Other requests have filled the memory that is meant for bodies."""

    summary = "many large manifests are being pushed at the moment: try again in {retry_after_s} seconds"


class BodyInterrupted(EntrepotError):
    """The client went away before its body was whole; nobody is left to read this."""

    summary = "the connection broke off before the whole body had come"


class QueryInvalid(EntrepotError):
    """The query string cannot be read."""

    summary = "the address's query has too many parameters, is not UTF-8, or has a NUL, which no name has"


class Answer(msgspec.Struct):
    """An answer: `stream`, when there is one, else `body`; `headers` says the length."""

    status: int
    headers: list[Header]
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None

    async def begin(self) -> None:
        """Fetch a stream's first piece: what cannot be read at all is still an error, and not the beginning of an answer."""
        if self.stream is not None:
            self.body = await anext(self.stream, b"")


class Call:
    """A request: its headers and query as text, its body as it comes."""

    __slots__ = (
        "_is_over",
        "_query",
        "_receive",
        "_scope",
        "actor",
        "challenged_as",
        "failure",
        "headers",
        "id",
        "kind",
        "method",
        "origin",
        "path",
        "place",
        "pulled",
        "received_bytes",
        "reserved_bytes",
        "sending_since",
        "sent_bytes",
    )
    reserved_by_all = 0  # bytes, by the requests of this process: it has one loop, so that nobody comes between

    def __init__(self, scope: Scope, receive: Receive, ids: RequestIds) -> None:
        self._scope = scope
        self._receive = receive
        self._is_over = False  # the body: nothing more comes, or is waited for
        self.kind = 0  # of address, a number of meters.py: whoever finds out says so
        self.failure: Exception | None = None  # what the answer is the consequence of
        self.pulled = ""  # the digest of the image that it is answered with: whoever finds out says so
        self.place = -1  # where its body is counted, a number of transfers.py
        self.received_bytes = 0
        self.reserved_bytes = 0
        self.sent_bytes = 0
        self.sending_since = 0.0  # of the monotonic clock, while a piece of the answer waits for the client to take it
        self._query: list[tuple[str, str]] | None = None
        self.actor: Actor = ANYONE
        self.origin = ""  # the client's address, where trusted proxies told it
        self.challenged_as: str | None = None  # with accounts: the address that clients know us by, '' for what they say
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = ids.of(self.headers.get(REQUEST_ID))

    def check_size(self) -> None:
        """Do nothing when headers and address are of a size that clients send.

        Raises:
            HeadersTooLarge, TargetTooLong
        """
        size = sum(map(len, self.headers.values()))
        if size > _MAX_HEADERS:
            raise HeadersTooLarge(size=size, limit=_MAX_HEADERS)
        size = len(self.path) + len(self._scope["query_string"])
        if size > _MAX_TARGET:
            raise TargetTooLong(size=size, limit=_MAX_TARGET)

    @property
    def is_old_http(self) -> bool:
        """Tell whether the request is of a version before HTTP/1.1."""
        return self._scope.get("http_version") in ("1", "1.0")  # the first is what granian says

    @property
    def scope(self) -> Scope:
        """What the server said of the request."""
        return self._scope

    @property
    def scheme(self) -> str:
        """Tell by which scheme the request reached this process: http or https."""
        return str(self._scope["scheme"])

    def header(self, name: bytes) -> str:
        """Return a header's value, '' when it is not there; `name` is in lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    def repeats(self, name: bytes) -> bool:
        """Tell whether a header came more than once; `headers` has the last of its values."""
        given = self._scope["headers"]
        return len(given) != len(self.headers) and sum(other == name for other, _ in given) > 1

    @property
    def content_length(self) -> int | None:
        """The body's length in bytes as announced, None when it is not."""
        text = self.header(b"content-length")
        return int(text) if text.isascii() and text.isdecimal() else None

    @property
    def client(self) -> str:
        """The client's address."""
        return self.origin or str((self._scope.get("client") or ("?",))[0])

    @property
    def acting(self) -> Actor:
        """Who sends the request and from where, for what is recorded of it: pulls need no such value."""
        return msgspec.structs.replace(self.actor, origin=Origin(self.client))

    @property
    def client_network(self) -> str:
        """The address by which the client is counted."""
        return network_of(self.client)

    @property
    def peer(self) -> Peer:
        """The client's address and port."""
        client: Peer = self._scope.get("client") or ("?", "?")
        return peer_of(*client) if "%" in client[0] else client

    @property
    def brings_body(self) -> bool:
        """Tell whether the request announces a body that is not empty."""
        headers = self.headers
        return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers

    def about(self) -> dict[str, object]:
        """Return what every line of the log about this request says."""
        secret = self.path.find(_LINKS)
        path = self.path[:_LOGGED_PATH] if secret < 0 else self.path[: secret + len(_LINKS)] + b"..."
        return {"request": self.id, "method": self.method, "path": path, "client": self.client}

    def all(self, name: str) -> list[str]:
        """Return all values of a query parameter.

        Raises:
            QueryInvalid
        """
        if self._query is None:
            try:
                text = self._scope["query_string"].decode("ascii")
                self._query = (
                    parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS, errors="strict") if text else []
                )
            except ValueError:
                raise QueryInvalid from None
            if "%00" in text:
                raise QueryInvalid
        return [value for key, value in self._query if key == name]

    def one(self, name: str) -> str | None:
        """Return the first value of a query parameter, None when it is not there."""
        found = self.all(name)
        return found[0] if found else None

    async def chunks(self, pace: Pace | None = None) -> AsyncIterator[bytes]:
        """Yield the body's pieces as they come.

        Raises:
            BodyInterrupted: the client went away before the end.
            BodyTooSlow: it makes us wait for too long.
        """
        more = True
        pace = pace or Pace()
        while more:
            self._is_over = True  # until something came
            message = await pace.next(self._receive)
            if message["type"] == "http.disconnect":
                raise BodyInterrupted
            more = message.get("more_body", False)
            self._is_over = not more
            piece = message.get("body")
            if piece:
                self.received_bytes += len(piece)
                yield piece

    async def rest(self, at_most: int) -> None:
        """Throw away what is still to come of the body of a request that was answered, at most so many bytes.

        A connection that is closed with a body on its way is reset, and a reset overtakes the answer that is to be read
        (RFC 9112, 9.6). Whoever asked whether to send (RFC 9110, 10.1.1) and heard a refusal sends nothing.
        """
        if self._is_over or not self.brings_body or b"expect" in self.headers:
            return
        end = self.received_bytes + at_most
        with suppress(BodyInterrupted, TimeoutError):
            async with asyncio.timeout(_REST_S):
                async for _ in self.chunks():
                    if self.received_bytes > end:
                        return

    async def left(self) -> None:
        """Wait until the client has gone away; whatever of a body still comes is thrown away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def body(self, at_most: int) -> bytes:
        """Return the whole body.

        Raises:
            BodyTooLarge: it is larger than `at_most` bytes.
            TooManyLargeBodies: others have filled the memory that is meant for them.
            BodyInterrupted: the client went away before the end.
            BodyTooSlow: it makes us wait for too long.
        """
        if (self.content_length or 0) > at_most + _DRAINED_BYTES:
            raise BodyTooLarge(limit=at_most)
        held = bytearray()
        size = 0
        async for chunk in self.chunks(Pace(IN_MEMORY_S)):
            size += len(chunk)
            if size > _LARGE_BODY:
                self._reserve(at_most)
            if size <= at_most:
                held += chunk
            # What is only a little too large is read to its end, so that the client hears the answer and keeps its connection.
            elif size > at_most + _DRAINED_BYTES:
                break
        if size > at_most:
            raise BodyTooLarge(limit=at_most)
        return bytes(held)

    def _reserve(self, size: int) -> None:
        """Take a share of the memory for large bodies, until `let_go`."""
        if self.reserved_bytes:
            return
        if Call.reserved_by_all + size > _LARGE_BODIES:
            raise TooManyLargeBodies("the memory for large bodies", retry_after_s=2)
        self.reserved_bytes = size
        Call.reserved_by_all += size

    def let_go(self) -> None:
        """Give back what `body` reserved; said once, when the request has ended."""
        Call.reserved_by_all -= self.reserved_bytes


async def respond(answer: Answer, call: Call, send: Send) -> None:
    """Send an answer; one to HEAD has the headers of GET and no body (RFC 9110, 9.3.2)."""
    # Handlers remember lists of headers and give them to many requests: such a list is never changed.
    headers = [*answer.headers, (REQUEST_ID, call.id)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if call.method == "HEAD":
        await send({"type": "http.response.body", "body": b""})
    elif answer.stream is not None:
        await _stream(answer.body, answer.stream, call, send)
    else:
        call.sent_bytes = len(answer.body)
        await send({"type": "http.response.body", "body": answer.body})


async def _stream(first: bytes, pieces: AsyncGenerator[bytes, None], call: Call, send: Send) -> None:
    """Send pieces; the next one is fetched while the last one goes out, and none any more when the client has gone away."""
    piece: bytes | None = first
    following = asyncio.ensure_future(anext(pieces, None))
    # Sending to a client that has gone away is no error: without this the whole blob would be read for nobody.
    left = asyncio.ensure_future(call.left())
    try:
        while piece is not None and not left.done():
            call.sending_since = time.monotonic()
            async with asyncio.timeout(_STALLED_S):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            call.sending_since = 0.0  # a disk of ours that is slow is not the client's fault
            call.sent_bytes += len(piece)
            piece = await following
            following = asyncio.ensure_future(anext(pieces, None))
        call.sending_since = time.monotonic()
        await send({"type": "http.response.body", "body": b""})
    finally:
        # What the pieces hold open is closed now, not when someone collects them.
        following.cancel()
        left.cancel()
        await asyncio.wait([following, left])
        if not following.cancelled():
            following.exception()  # looked at, since nobody waits for it any more
        await pieces.aclose()


def text_answer(status: int, text: str, headers: Iterable[Header] = ()) -> Answer:
    """Return a short plain text."""
    body = text.encode()
    return Answer(
        status, [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *headers], body
    )
