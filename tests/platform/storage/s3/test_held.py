"""Uploads into a bucket, where nothing but the row's lease keeps two holders apart."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import msgspec
import pytest

from entrepot.base.bucket import parse_bucket
from entrepot.platform.storage.driver import ObjectTooLarge, SizeMismatch, UploadBusy
from entrepot.platform.storage.hashing import new_hash
from entrepot.platform.storage.s3.driver import BucketStorage
from entrepot.platform.storage.s3.held import HeldParts
from entrepot.platform.storage.s3.state import read, written
from entrepot.spec.oci.digest import Digest
from support.faulty import HANGS, LATE, Faulty
from support.s3 import Bucket, S3Server
from support.store_calls import asked, keys
from support.stores import pieces

MIB: Final = 1 << 20
CONTENT: Final = random.Random(5).randbytes(26 * MIB)


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    return s3.new_bucket()


@asynccontextmanager
async def opened(bucket: Bucket, **options: str) -> AsyncIterator[BucketStorage]:
    storage = BucketStorage(bucket.place(**options), bucket.environment)
    await storage.prepare()
    try:
        yield storage
    finally:
        await storage.close()


async def patched(storage: BucketStorage, handle: str, state: str | None, content: bytes) -> str | None:
    """Append in a hold of its own, as one request does, and return what its row says then."""
    size = read(state, 0).size
    async with storage.hold(handle, size) as held:
        held.state = state
        assert await held.append(size, pieces(*cut(content)), new_hash("sha256")) == size + len(content)
        after = held.state
        await held.settle()
    return after


def cut(content: bytes) -> list[bytes]:
    return [content[place : place + 300_000] for place in range(0, len(content), 300_000)]


async def finished(storage: BucketStorage, handle: str, state: str | None, content: bytes) -> str:
    async with storage.hold(handle, len(content)) as held:
        held.state = state
        return await held.finish(Digest.of(content), len(content))


async def fetched(storage: BucketStorage, key: str, size: int) -> bytes:
    return b"".join([piece async for piece in storage.read(key, 0, size - 1)])


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@pytest.mark.parametrize("sizes", [(26 * MIB,), (12 * MIB, 1, 7 * MIB), (1, MIB, 4 * MIB, 0, 5 * MIB), (5 * MIB,) * 4])
def test_any_holder_goes_on_with_what_the_row_says_and_nothing_else_stays(bucket: Bucket, sizes: tuple[int, ...]) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage, opened(bucket) as other:
            handle, state, place = storage.new_handle(), None, 0
            for number, size in enumerate(sizes):
                state = await patched((storage, other)[number % 2], handle, state, CONTENT[place : place + size])
                place += size
            key = await finished(storage, handle, state, CONTENT[:place])
            assert await fetched(other, key, place) == CONTENT[:place]
            async with storage.hold(handle, place) as held:
                held.state = state
                await held.drop(Digest.of(b""))
            assert [found.key async for found in storage.list_all()] in ([key], [])

    run(scenario())


def test_a_holder_that_was_frozen_spoils_nothing_when_it_comes_back(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage, opened(bucket) as frozen:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, CONTENT[: 6 * MIB])
            async with frozen.hold(handle, 6 * MIB) as late, storage.hold(handle, 6 * MIB) as held:
                late.state = held.state = state
                held.inherit()
                await held.append(6 * MIB, pieces(*cut(CONTENT[6 * MIB :])), new_hash("sha256"))
                await late.append(6 * MIB, pieces(*[bytes(MIB)] * 20), new_hash("sha256"))
                ours, theirs = (read(each.state, 0).parts for each in (held, late))
                assert not {part.number for part in ours[1:]} & {part.number for part in theirs[1:]}
                key = await held.finish(Digest.of(CONTENT), len(CONTENT))
                with pytest.raises(SizeMismatch):
                    await late.finish(Digest.of(b""), 26 * MIB)
            assert await fetched(storage, key, len(CONTENT)) == CONTENT

    run(scenario())


def test_a_holder_that_learns_that_it_is_none_sends_nothing_more(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage, storage.hold("handle", 0) as held:
            held.revoke(UploadBusy())
            with pytest.raises(UploadBusy):
                await held.append(0, pieces(*cut(CONTENT)), new_hash("sha256"))
            assert [found async for found in storage.list_all()] == []

    run(scenario())


def test_a_finish_that_was_not_recorded_is_repeated_with_the_same_key(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage, opened(bucket) as other:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, CONTENT)
            assert await finished(storage, handle, state, CONTENT) == await finished(other, handle, state, CONTENT)

    run(scenario())


def test_parts_are_hashed_anew_for_another_digest(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle, hash_ = storage.new_handle(), new_hash("sha512")
            state = await patched(storage, handle, None, CONTENT)
            async with storage.hold(handle, len(CONTENT)) as held:
                held.state = state
                await held.rehash(len(CONTENT), hash_)
                assert hash_.hexdigest() == Digest.of(CONTENT, "sha512").hex
                key = await held.finish(Digest.of(CONTENT, "sha512"), len(CONTENT))
            assert await fetched(storage, key, len(CONTENT)) == CONTENT

    run(scenario())


@pytest.mark.parametrize(("end", "hangs_at"), [("finish", 2), ("finish", 3), ("rehash", 4)], ids=["completion", "HEAD", "rehash"])
def test_an_end_that_takes_long_keeps_no_other_upload_from_its_own(s3: S3Server, bucket: Bucket, end: str, hangs_at: int) -> None:
    size = 6 * MIB

    async def ends(storage: BucketStorage, handle: str, state: str | None) -> None:
        async with storage.hold(handle, size) as held:
            held.state = state
            if end == "rehash":
                await held.rehash(size, new_hash("sha512"))
            await held.finish(Digest.of(CONTENT[:size]), size)

    async def scenario(proxy: Faulty) -> None:
        async with opened(bucket, endpoint=proxy.url) as storage:
            uploads = [(handle := storage.new_handle(), await patched(storage, handle, None, CONTENT[:size])) for _ in range(2)]
            fault = proxy.fail(HANGS, hangs_at)
            stuck = asyncio.create_task(ends(storage, *uploads[0]))
            async with asyncio.timeout(8):
                while not fault.met:  # noqa: ASYNC110 - the proxy is a thread, which knows no event of this loop
                    await asyncio.sleep(0.01)
                await ends(storage, *uploads[1])
            assert not stuck.done()
            stuck.cancel()
            await asyncio.wait([stuck])

    with Faulty(("127.0.0.1", s3.port)) as proxy:
        run(scenario(proxy))


def test_a_tail_that_is_all_there_is_becomes_the_blob_while_others_are_read_back(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, b"all")
            memory = storage._calls.memory
            other = memory.share(lambda: asyncio.sleep(0), lambda: None)
            async with memory.joining(other), asyncio.timeout(2):
                key = await finished(storage, handle, state, b"all")
            assert await fetched(storage, key, 3) == b"all"

    run(scenario())


def test_what_broke_off_is_taken_away_and_what_was_recorded_stays(bucket: Bucket) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for piece in cut(CONTENT):
            yield piece
        raise SizeMismatch(found=0, expected=1)

    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, b"kept")
            before = keys(bucket, bucket.prefix)
            async with storage.hold(handle, 4) as held:
                held.state = state
                with pytest.raises(SizeMismatch):
                    await held.append(4, breaking(), new_hash("sha256"))
                assert held.state == state
            assert keys(bucket, bucket.prefix) == before
            assert len([found async for found in storage.list_all()]) == 1

    run(scenario())


def test_a_part_that_is_on_its_way_is_waited_for_at_the_end(s3: S3Server, bucket: Bucket) -> None:
    async def scenario(proxy: Faulty) -> None:
        async with opened(bucket, endpoint=proxy.url) as storage, storage.hold(storage.new_handle(), 0) as held:
            assert await held.append(0, pieces(*cut(CONTENT[: 12 * MIB])), new_hash("sha256"), last=True) == 12 * MIB
            held._waiting.append(CONTENT[12 * MIB : 17 * MIB])
            held._share.add(5 * MIB)
            proxy.fail(LATE, "UploadPart")
            await held._write()  # as for another upload that needs the memory
            key = await held.finish(Digest.of(CONTENT[: 17 * MIB]), 17 * MIB)
            assert await fetched(storage, key, 17 * MIB) == CONTENT[: 17 * MIB]

    with Faulty(("127.0.0.1", s3.port)) as proxy:
        run(scenario(proxy))


@pytest.mark.parametrize(("others", "sent"), [(0, 2), (1, 1)], ids=["alone", "beside another"])
def test_a_second_part_is_sent_beside_the_first_while_its_upload_is_alone(
    s3: S3Server, bucket: Bucket, others: int, sent: int
) -> None:
    async def scenario(proxy: Faulty) -> None:
        async with opened(bucket, endpoint=proxy.url) as storage, AsyncExitStack() as stack:
            held, *_ = [await stack.enter_async_context(storage.hold(f"{each:032x}", 0)) for each in range(others + 1)]
            proxy.fail(HANGS, "UploadPart", times=9)
            upload = asyncio.create_task(held.append(0, pieces(*cut(CONTENT)), new_hash("sha256")))
            async with asyncio.timeout(8):
                while proxy.calls.count("UploadPart") < sent:  # noqa: ASYNC110 - the proxy is a thread, see above
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            assert proxy.calls.count("UploadPart") == sent
            upload.cancel()
            await asyncio.wait([upload])

    with Faulty(("127.0.0.1", s3.port)) as proxy:
        run(scenario(proxy))


def test_an_upload_without_a_number_for_its_last_part_is_too_large(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, CONTENT[: 6 * MIB])
            full = written(msgspec.structs.replace(read(state, 0), next=10_001))
            with pytest.raises(ObjectTooLarge):
                await finished(storage, handle, full, CONTENT[: 6 * MIB])

    run(scenario())


@pytest.mark.parametrize("harm", ["upload", "tail", "tail's bytes"])
def test_bytes_that_the_store_lost_are_never_made_a_blob(bucket: Bucket, harm: str) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle = storage.new_handle()
            state = await patched(storage, handle, None, CONTENT[: 6 * MIB])
            state = await patched(storage, handle, state, CONTENT[6 * MIB : 7 * MIB])
            known = read(state, 0)
            whole = f"{bucket.prefix}/{known.tails[-1].key}"
            if harm == "upload":
                asked(bucket, "DELETE", f"{bucket.prefix}/{known.key}", f"uploadId={known.upload}")
            elif harm == "tail":
                asked(bucket, "DELETE", whole)
            else:
                asked(bucket, "PUT", whole, body=bytes(known.tails[-1].size))
            with pytest.raises(Exception, match=r"start the upload again|are not in the registry's storage"):
                await finished(storage, handle, state, CONTENT[: 7 * MIB])

    run(scenario())


def test_nothing_is_asked_of_the_store_before_a_byte_comes() -> None:
    async def scenario() -> None:
        place = parse_bucket("s3://bucket/prefix?endpoint=http://127.0.0.1:1")
        storage = BucketStorage(place, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
        held: HeldParts
        async with storage.hold(storage.new_handle(), 0) as held:
            assert await held.append(0, pieces(), new_hash("sha256")) == 0
            assert held.state is None
        await storage.abort("handle", None)
        await storage.close()

    run(scenario())


def test_small_chunks_move_no_more_bytes_than_they_bring(bucket: Bucket) -> None:
    async def scenario() -> None:
        async with opened(bucket) as storage:
            handle, state = storage.new_handle(), None
            for place in range(0, 40_000, 1000):
                state = await patched(storage, handle, state, CONTENT[place : place + 1000])
            assert 1 < len(read(state, 0).tails) <= 32
            key = await finished(storage, handle, state, CONTENT[:40_000])
            assert await fetched(storage, key, 40_000) == CONTENT[:40_000]

    run(scenario())


@pytest.mark.long
def test_bodies_that_stall_keep_a_bounded_memory(bucket: Bucket) -> None:
    async def scenario() -> None:
        ended, come = asyncio.Event(), asyncio.Event()

        async def stalling(number: int) -> AsyncIterator[bytes]:
            for _ in range(8):
                yield bytes([number]) * (MIB // 2)
            if number == 39:
                come.set()
            await ended.wait()

        async with opened(bucket) as storage:

            async def upload(number: int) -> str:
                async with storage.hold(f"{number:032x}", 0) as held:
                    size = await held.append(0, stalling(number), new_hash("sha256"), last=True)
                    return await held.finish(Digest.of(b""), size)

            async with asyncio.TaskGroup() as tasks:
                uploads = [tasks.create_task(upload(number)) for number in range(40)]
                await come.wait()
                await asyncio.sleep(0.5)
                assert storage.memory_bytes() <= (64 + 20) * MIB
                ended.set()
            for number, each in enumerate(uploads):
                assert await fetched(storage, each.result(), 4 * MIB) == bytes([number]) * (4 * MIB)
            assert storage.memory_bytes() == 0

    run(scenario())
