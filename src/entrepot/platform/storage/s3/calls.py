"""Calls to the store: signed, bounded in time, repeated where that can help, and refused at once while it is away.

The law of this module: every call may be done twice, because an answer can get lost on its way. Whoever calls sees to that.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from entrepot.base.bucket import Bucket
from entrepot.base.clock import now_us
from entrepot.platform.storage.driver import StorageUnavailable
from entrepot.platform.storage.s3.answers import Answer, error_code, trouble
from entrepot.platform.storage.s3.credentials import Credentials
from entrepot.platform.storage.s3.memory import Memory
from entrepot.platform.storage.s3.signing import NOTHING, Request, encoded_path, encoded_query, presign, sign
from entrepot.platform.storage.s3.watch import Watch

_log: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.15
_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 10.0
_SLOWEST_BYTES_PER_S: Final = 250_000
_READ_S: Final = 10.0
_FEW: Final = 1  # an upload alone in its process sends two parts at once: beside others it is no faster, and takes memory
_CALLED_AT_ONCE: Final = 200  # a call goes on when who asked for it has gone: so clients could open any number of connections
_STREAMED_AT_ONCE: Final = 2000  # as many as a process has clients: each may take its blob as slowly as it likes
_ROOM_S: Final = 1.0
_LARGEST_ANSWER: Final = 8 << 20
_OTHER_CLOCK_S: Final = 2.0
_UNBELIEVABLE_S: Final = 86_400.0
_CLOCK_EVERY_S: Final = 30.0
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_BAD: Final = 400
LOST: Final = (aiohttp.ClientError, TimeoutError, OSError)


class Call(msgspec.Struct, frozen=True):
    """One request: `key` is the object's whole key, empty for the bucket itself; `payload` is the body's SHA-256."""

    method: str
    key: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: Sequence[bytes] = ()
    payload: str = NOTHING
    expected: tuple[int, ...] = (200,)
    codes: tuple[str, ...] = ()
    limit_s: float = _ANSWER_S

    @property
    def size(self) -> int:
        """The body's bytes."""
        return sum(map(len, self.body))


class Calls:
    """One client of one bucket; its connections belong to the loop that runs."""

    def __init__(self, bucket: Bucket, environment: Mapping[str, str] | None = None) -> None:
        self.bucket = bucket
        self._credentials = Credentials(bucket, os.environ if environment is None else environment)
        region = self._credentials.region
        endpoint = bucket.endpoint or f"https://s3.{region}.amazonaws.com"
        self._base, self._host, self._root = _place(endpoint, bucket)
        self._public = _place(bucket.public_endpoint or endpoint, bucket)
        self._ahead_s = 0.0  # the store's clock, as far as it differs from ours by much
        self._told_at = 0.0
        self._keeper: AsyncGenerator[aiohttp.ClientSession, None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn, self._second_turn = asyncio.Semaphore(1), asyncio.Semaphore(1)
        self._called, self._streamed = asyncio.Semaphore(_CALLED_AT_ONCE), asyncio.Semaphore(_STREAMED_AT_ONCE)
        self.memory = Memory()
        self._watch = Watch(self._look)

    @property
    def region(self) -> str:
        """The region that we sign for."""
        return self._credentials.region

    def turn(self) -> asyncio.Semaphore:
        """Return what lets one part be sent at a time, and two for an upload that is alone: they are in memory until stored."""
        return self._second_turn if self._turn.locked() and self.memory.uploads <= _FEW else self._turn

    def require(self) -> None:
        """Do nothing when the store answered lately, or was never asked. Raises BucketAway."""
        self._watch.require()

    async def send(self, call: Call) -> Answer:
        """Send a request and read its answer; one of another status or code than expected is an error.

        Raises:
            StorageUnavailable and those below it
        """
        self.require()
        last: Exception | None = None
        answer: Answer | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_PAUSE_S * 4 ** (attempt - 1))
            await self._opened()
            try:
                async with _room_of(self._called):
                    answer, last = await self._once(call), None
            except LOST as error:
                await self._watch.verdict()
                last = error
                continue
            if answer.code in call.codes or (answer.status in call.expected and _is_whole(answer)):
                return answer
            if not _may_help(answer):
                break
        if answer is None or last is not None:
            _log.warning("bucket_lost", extra={"method": call.method, "reason": f"{type(last).__name__}: {last}"})
            raise StorageUnavailable("storage") from last
        _log.warning("bucket_refused", extra={"method": call.method, "status": answer.status, "code": answer.code})
        raise trouble(answer)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its answer, whose body comes as it is read; of whatever status.

        Raises:
            StorageUnavailable; what breaks off later is the client library's error, of the kinds in `LOST`
        """
        self.require()
        await self._opened()
        async with _room_of(self._streamed), self._streaming(call) as response:
            yield response

    @asynccontextmanager
    async def _streaming(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            response = await self._answer(call, _READ_S)
        except LOST:
            await self._watch.verdict()
            await asyncio.sleep(_PAUSE_S)
            try:
                response = await self._answer(call, _READ_S)
            except LOST as again:
                await self._watch.verdict()
                raise StorageUnavailable("storage") from again
        try:
            yield response
        finally:
            response.close()

    def address(self, call: Call, valid_s: int) -> str:
        """Return an address that anyone may use for this call for a while; nobody is asked."""
        base, host, root = self._public
        request = Request(call.method, host, root + encoded_path(call.key), call.query)
        return base + presign(request, valid_s, self._credentials.keys(), self._when())

    async def fetched(self, address: str) -> int:
        """Get an address as a client does, without our signature; return the status, 0 when nobody answers."""
        session = await self._opened()
        try:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
            async with session.get(URL(address, encoded=True), timeout=timeout) as response:
                return response.status
        except LOST:
            return 0

    async def clock_difference_s(self) -> float | None:
        """Return by how much the store's clock is ahead of ours, to the second; None when it does not say."""
        answer = await self._once(Call("HEAD", expected=()))
        return _ahead_s(answer.headers.get("date"))

    async def close(self) -> None:
        """Close the connections."""
        if self._loop is asyncio.get_running_loop():
            await self._watch.end()
        if self._keeper is not None and self._loop is asyncio.get_running_loop():
            await self._keeper.aclose()
        self._keeper = None

    async def _answer(self, call: Call, sock_read_s: float | None = None) -> aiohttp.ClientResponse:
        """Send a request; return when the answer's headers are here. Without `sock_read_s` the whole call has a limit."""
        session = await self._opened()
        url, headers = self._signed(call)
        if call.body or call.method in ("PUT", "POST"):
            headers["content-length"] = str(call.size)
        limit_s = None if sock_read_s else call.limit_s + call.size / _SLOWEST_BYTES_PER_S
        async with asyncio.timeout(None) as end:
            with self._watch.calling(end):
                response = await session.request(
                    call.method,
                    url,
                    headers=headers,
                    data=_pieces(call.body) if call.size else None,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=limit_s, sock_connect=_CONNECT_S, sock_read=sock_read_s),
                )
        self._watch.answered()
        self._learn(response.headers.get("date"))
        return response

    async def _once(self, call: Call) -> Answer:
        async with await self._answer(call) as response:
            body = b""
            if call.method != "HEAD":
                async with asyncio.timeout(None) as end:
                    with self._watch.calling(end):
                        body = await _body(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, headers, body, error_code(body))

    async def _opened(self) -> aiohttp.ClientSession:
        """Return the running loop's connections: a generator keeps them, which the loop closes at its end."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop or self._session.closed:
            self._keeper = _kept()
            self._loop, self._watch = loop, Watch(self._look)
            self._turn, self._second_turn = asyncio.Semaphore(1), asyncio.Semaphore(1)
            self._called, self._streamed = asyncio.Semaphore(_CALLED_AT_ONCE), asyncio.Semaphore(_STREAMED_AT_ONCE)
            self._session = await anext(self._keeper)
        return self._session

    async def _look(self) -> None:
        """Ask once whether the store answers at all: raise when it does not."""
        call = Call("HEAD", expected=())
        session = await self._opened()
        url, headers = self._signed(call)
        async with session.request(call.method, url, headers=headers, allow_redirects=False) as response:
            self._watch.answered()
            if response.status >= _SERVER_ERROR:
                raise aiohttp.ClientPayloadError(f"it answers {response.status}")

    def _signed(self, call: Call) -> tuple[URL, dict[str, str]]:
        """Return where a request goes, and its headers with our signature over both."""
        request = Request(call.method, self._host, self._root + encoded_path(call.key), call.query)
        headers = sign(request, call.headers, call.payload, self._credentials.keys(), self._when())
        text = encoded_query(call.query)
        return URL(f"{self._base}{request.path}{'?' if text else ''}{text}", encoded=True), headers

    def _when(self) -> tuple[datetime, str]:
        return datetime.fromtimestamp(now_us() / 1_000_000 + self._ahead_s, UTC), self._credentials.region

    def _learn(self, date: str | None) -> None:
        """Learn what time it is to the store, which refuses signatures that seem to be of another quarter of an hour."""
        if time.monotonic() - self._told_at < _CLOCK_EVERY_S and self._told_at:
            return
        ahead_s = _ahead_s(date)
        if ahead_s is not None and abs(ahead_s) < _UNBELIEVABLE_S:
            self._told_at = time.monotonic()
            self._ahead_s = ahead_s if abs(ahead_s) > _OTHER_CLOCK_S else 0.0


@asynccontextmanager
async def _room_of(places: asyncio.Semaphore) -> AsyncIterator[None]:
    """Take one of the places until the block is left. Raises StorageUnavailable when none comes free for a while."""
    try:
        async with asyncio.timeout(_ROOM_S):
            await places.acquire()
    except TimeoutError:
        raise StorageUnavailable("storage") from None
    try:
        yield
    finally:
        places.release()


def _is_whole(answer: Answer) -> bool:
    """Tell whether an answer means what its status says: a copy or a completion may fail after its first byte was sent."""
    return answer.status >= _BAD or not answer.code


def _may_help(answer: Answer) -> bool:
    """Tell whether the same call may be answered otherwise in a moment."""
    again = answer.code in ("RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "InternalError", "BadDigest")
    return answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY or again


def _ahead_s(date: str | None) -> float | None:
    if not date:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - now_us() / 1_000_000
    except (ValueError, OverflowError):
        return None


def _place(endpoint: str, bucket: Bucket) -> tuple[str, str, str]:
    """Return address, Host header, and what stands before a key in the path."""
    url = URL(endpoint)
    # As clients send it whatever the setting writes: the signature is over the Host header.
    host = (url.host_subcomponent or "").rstrip(".")
    if not url.is_default_port():
        host = f"{host}:{url.port}"
    if bucket.style == "host":
        host = f"{bucket.name}.{host}"
        return f"{url.scheme}://{host}", host, "/"
    return f"{url.scheme}://{host}", host, f"/{bucket.name}/"


async def _kept() -> AsyncGenerator[aiohttp.ClientSession, None]:
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context: ssl.SSLContext | bool = ssl.create_default_context(cafile=bundle) if bundle else True
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=20, ttl_dns_cache=10, ssl=context)
    session = aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=256 << 10,
        skip_auto_headers=("Content-Type", "Accept-Encoding", "User-Agent"),
    )
    try:
        yield session
    finally:
        with suppress(asyncio.CancelledError):
            await session.close()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer's body. Raises ClientPayloadError where it is longer than any answer that we ask for."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return body


async def _pieces(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in body:
        yield piece
