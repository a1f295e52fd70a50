"""Stores that answer nonsense, or nothing: whatever they do is told as trouble with the storage, and soon."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import pytest

from entrepot.base.bucket import parse_bucket
from entrepot.platform.storage.driver import StorageAway, StorageUnavailable
from entrepot.platform.storage.s3.answers import Answer, error_code, field, objects
from entrepot.platform.storage.s3.calls import Call, Calls
from entrepot.platform.storage.s3.driver import BucketStorage
from entrepot.spec.oci.digest import Digest

KEYS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
PAGE: Final = (
    "<R><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><NextKeyMarker>k</NextKeyMarker></R>"
)
ENTITIES: Final = b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a><Code>&c;&c;</Code></a>'
Way = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def store(way: Way) -> AsyncIterator[str]:
    """Serve in this way; yield the endpoint."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await way(reader, writer)
        writer.close()

    def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)  # of one that is ended before it has begun, too
        tasks.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()


def always(body: str | bytes, head: str = "HTTP/1.1 200 OK", headers: str = "") -> Way:
    """Answer each request with the same."""
    content = body.encode() if isinstance(body, str) else body

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"{head}\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content)

    return way


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take everything and say nothing."""
    while await reader.read(1 << 20):
        pass


@asynccontextmanager
async def opened(way: Way) -> AsyncIterator[BucketStorage]:
    async with store(way) as endpoint:
        storage = BucketStorage(parse_bucket(f"s3://images/x?endpoint={endpoint}"), KEYS)
        yield storage
        await storage.close()


@pytest.mark.fast
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a",
        b"\xff\xfe",
        b'<?xml version="1.0" encoding="foo"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
        ENTITIES,
        ENTITIES.decode().encode("utf-16"),
    ],
)
def test_what_is_no_document_of_a_store_says_nothing(body: bytes) -> None:
    assert field(body, "Code") == ""
    assert error_code(b"<!-- <Error -->" + body) == ""
    with pytest.raises(StorageUnavailable):
        list(objects(body))


@pytest.mark.fast
def test_numbers_and_errors_of_a_store_are_bounded() -> None:
    whole = b"<Error><Code>Slow</Code>" + b" " * (64 << 10) + b"</Error>"
    assert error_code(whole[:24] + b"</Error>") == "Slow"
    assert error_code(whole) == "", "who parses an error of any size can be kept busy by it"
    for size in ("x", "", "-1", "1" * 5000, "²"):
        with pytest.raises(StorageUnavailable):
            list(objects(f"<a><Contents><Key>k</Key><Size>{size}</Size></Contents></a>".encode()))
        with pytest.raises(StorageUnavailable):
            _ = Answer(200, {"content-length": size}).size
    with pytest.raises(StorageUnavailable):
        _ = Answer(200, {}).size


def test_a_listing_that_never_ends_is_ended() -> None:
    async def scenario() -> None:
        async with opened(always(PAGE)) as storage, asyncio.timeout(10):
            with pytest.raises(StorageUnavailable):
                _ = [found async for found in storage.list_all()]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        ("HTTP/1.1 206 Partial Content", ""),
        ("HTTP/1.1 206 Partial Content", "Content-Range: bytes 7-16/20\r\n"),
        ("HTTP/1.1 200 OK", ""),
    ],
)
def test_bytes_that_were_not_asked_for_are_not_taken(head: str, headers: str) -> None:
    async def scenario() -> None:
        async with opened(always("0123456789", head, headers)) as storage:
            with pytest.raises(StorageUnavailable):
                _ = [piece async for piece in storage.read("blobs/a.b", 0, 8)]

    asyncio.run(scenario())


def test_a_small_blob_whose_bytes_are_wrong_is_not_served() -> None:
    async def scenario() -> None:
        way = always("0123456789", "HTTP/1.1 206 Partial Content", "Content-Range: bytes 0-9/10\r\n")
        async with opened(way) as storage:
            assert await storage.fetch("blobs/a.b", 10, Digest.of(b"0123456789")) == b"0123456789"
            with pytest.raises(StorageUnavailable):
                await storage.fetch("blobs/c.d", 10, Digest.of(b"other"))

    asyncio.run(scenario())


def test_the_ids_of_uploads_may_have_any_form() -> None:
    asked: list[bytes] = []
    key = f"x/blobs/{'a' * 32}.{'b' * 16}"
    uploads = f"<R><Upload><Key>{key}</Key><UploadId>1/2%3?=</UploadId><Initiated>2026-01-01T00:00:00Z</Initiated></Upload></R>"

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(uploads)}\r\n\r\n{uploads}".encode())

    async def scenario() -> None:
        async with opened(way) as storage:
            (found,) = [found async for found in storage.list_all()]
            await storage.delete(found.key)
            assert asked[-1].startswith(f"DELETE /images/{key}?uploadId=1%2F2%253%3F%3D ".encode()), asked[-1]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("date", "believed"),
    [
        ("Sun, 29 Nov 2020 10:00:00 GMT", False),
        ("nonsense", False),
        ("Sun, 29 Nov 2020 10:00:00 +9999999999999999", False),
    ],
)
def test_a_date_of_another_day_moves_no_signature(date: str, *, believed: bool) -> None:
    async def scenario() -> None:
        async with store(always("", headers=f"Date: {date}\r\n")) as endpoint:
            calls = Calls(parse_bucket(f"s3://images?endpoint={endpoint}"), KEYS)
            await calls.send(Call("HEAD"))
            assert ("X-Amz-Date=2020" in calls.address(Call("GET", "a"), 60)) == believed
            await calls.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("mark", [b'{"registry":"\xff"}', b'{"a":' + b"[" * 100_000, b"[]", b""])
def test_a_mark_that_nobody_can_read_says_nothing(mark: bytes) -> None:
    async def scenario() -> None:
        async with opened(always(mark)) as storage:
            assert await storage.identity() == ""

    asyncio.run(scenario())


def test_a_pull_learns_what_time_it_is_to_the_store() -> None:
    skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>"
    there = datetime.now(UTC) + timedelta(minutes=20)

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
            signed = datetime.strptime(head.partition("x-amz-date: ")[2][:16], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
            is_late = abs(signed - there) > timedelta(minutes=15)
            status, body = ("403 Forbidden", skewed) if is_late else ("206 Partial Content", "0123456789")
            fields = f"Date: {format_datetime(there, usegmt=True)}\r\nContent-Range: bytes 0-9/10\r\nContent-Length: {len(body)}"
            writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{body}".encode())

    async def scenario() -> None:
        async with opened(way) as storage:
            assert [piece async for piece in storage.read("blobs/a.b", 0, 9)] == [b"0123456789"]

    asyncio.run(scenario())


def test_nothing_is_deleted_that_was_not_copied_whole() -> None:
    asked: list[str] = []

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            asked.append(head.partition(" ")[0])
            body, status, size = "<R><UploadId>1</UploadId><ETag>e</ETag></R>", "200 OK", 6 << 30
            if "uploadId=" in head and head.startswith("POST"):
                body, status = "<Error><Code>InvalidPart</Code></Error>", "400 Bad Request"
            elif head.startswith("HEAD"):
                body, status = "", "404 Not Found" if "quarantine" in head else status
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body) or size}\r\n\r\n{body}".encode())

    async def scenario() -> None:
        async with opened(way) as storage:
            with pytest.raises(StorageUnavailable):
                await storage.set_aside("blobs/a.b")
        assert "POST" in asked
        assert "DELETE" not in asked

    asyncio.run(scenario())


def test_a_slow_store_is_asked_no_more_than_so_much_at_once() -> None:
    asked, go_on = [0], asyncio.Event()

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]:
            if b"/blobs/" in line:
                asked[0] += 1
                await go_on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def scenario() -> None:
        async with opened(way) as storage:
            calls = [asyncio.create_task(storage.size(f"blobs/{number}")) for number in range(240)]
            for refused in itertools.islice(asyncio.as_completed(calls, timeout=9), 40):
                with pytest.raises(StorageUnavailable):
                    await refused
            waiting = [call for call in calls if not call.done()]
            assert len(waiting) == 200
            assert asked[0] <= 200
            go_on.set()
            assert await asyncio.gather(*waiting) == [0] * 200
            assert await storage.size("blobs/next") == 0

    asyncio.run(scenario())


def test_a_store_that_says_slow_down_ends_what_it_has_begun() -> None:
    body = "0123456789"
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\nContent-Length: {len(body)}\r\n\r\n"

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]:
            if line.startswith(b"GET"):
                await asyncio.sleep(2)
                writer.write(f"{head}{body}".encode())
            elif b"/lost" in line:
                writer.transport.abort()
            else:
                writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")

    async def scenario() -> None:
        async with opened(way) as storage:
            slow = asyncio.create_task(anext(storage.read("blobs/a.b", 0, 9)))
            await asyncio.sleep(0.1)
            await timed(storage.size("blobs/lost"))
            assert await timed(storage.size("blobs/c.d")) < 0.5, "nothing new is begun"
            assert await slow == body.encode()

    asyncio.run(scenario())


async def timed(what: Awaitable[object]) -> float:
    began = time.monotonic()
    with pytest.raises(StorageAway):
        await what
    return time.monotonic() - began


def test_a_store_that_hangs_keeps_nobody_for_ten_seconds() -> None:
    async def read(storage: BucketStorage) -> None:
        _ = [piece async for piece in storage.read("blobs/a.b", 0, 99)]

    async def scenario() -> None:
        async with opened(silent) as storage:
            large = storage._objects.put("blobs/c.d", [bytes(5 << 20)])  # a body that takes long
            waited = await asyncio.gather(timed(storage.size("blobs/a.b")), timed(read(storage)), timed(large))
            assert max(waited) < 10
            assert await timed(storage.size("blobs/a.b")) < 0.5

    asyncio.run(scenario())


def test_a_store_that_hangs_is_found_away_though_who_asked_went_away_before() -> None:
    async def scenario() -> None:
        async with opened(silent) as storage:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):  # as /readyz does
                    await storage.require_presence()
            await asyncio.sleep(5)
            assert await timed(storage.size("blobs/a.b")) < 0.5

    asyncio.run(scenario())
