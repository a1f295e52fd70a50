"""The registry's rules with its blobs in a bucket: what expires, what is collected, what is healed."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import ANYONE
from entrepot.domain.registry.errors import BlobDigestMismatch, ChunkIncomplete, UploadUnknown
from entrepot.domain.registry.service import leases
from entrepot.domain.registry.service.pace import Pace
from entrepot.domain.registry.service.uploads import Body
from entrepot.spec.oci.chunks import Chunk
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support.faulty import ERROR, Fault, Faulty
from support.parts import parts, prepared, push_blob, sql
from support.s3 import Bucket, S3Server
from support.store_calls import asked, keys
from support.stores import pieces

ONE: Final = RepositoryName.parse("team/one")
LARGE: Final = os.urandom(7 << 20)
MARK: Final = "entrepot.json"


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.new_bucket()


@pytest.fixture
def place(tmp_path: Path, bucket: Bucket) -> Settings:
    settings = prepared(tmp_path / "data", "")
    return Settings(data=settings.data, storage=bucket.url(), access="open")


async def begun(whole: Parts, content: bytes) -> str:
    upload = await whole.registry.uploads.start(ANYONE, ONE, "sha256")
    await whole.registry.uploads.append(
        ANYONE, ONE, upload.id, Body(pieces(*[content[at : at + 400_000] for at in range(0, len(content), 400_000)]))
    )
    return upload.id


async def found_in(whole: Parts) -> list[str]:
    return [stored.key.partition("/")[0] async for stored in whole.storage.list_all()]


def test_expired_and_cancelled_uploads_leave_nothing_in_the_bucket(place: Settings, bucket: Bucket) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            ids = [await begun(whole, LARGE), await begun(whole, b"small"), await begun(whole, b"")]
            kept = await begun(whole, LARGE)
            assert sorted(await found_in(whole)) == ["blobs", "blobs", "blobs", "multipart", "multipart"]
            await sql(place, "UPDATE upload SET expires_at = 1 WHERE id <> $1", kept)
            assert await whole.registry.collector.expire_uploads() == len(ids)
            assert sorted(await found_in(whole)) == ["blobs", "multipart"]
            await whole.registry.uploads.cancel(ANYONE, ONE, kept)
            assert await found_in(whole) == []
            assert keys(bucket, bucket.prefix) == [f"{bucket.prefix}/{MARK}"]

    asyncio.run(scenario())


@pytest.mark.parametrize("is_over", [False, True])
def test_a_body_that_outlasts_its_lease_in_the_read_only_mode_is_told_so_and_goes_on_when_it_is_over(
    place: Settings, monkeypatch: pytest.MonkeyPatch, *, is_over: bool
) -> None:
    monkeypatch.setattr(leases, "LEASE_US", 300_000)
    waits, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield LARGE
        waits.set()
        await go_on.wait()
        yield LARGE

    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, b"")
            appending = asyncio.create_task(whole.registry.uploads.append(ANYONE, ONE, id_, Body(slow())))
            await waits.wait()
            await whole.modes.change(read_only=True)
            await asyncio.sleep(0.6)
            if is_over:
                await whole.modes.change(read_only=False)
                await asyncio.sleep(0.3)
            go_on.set()
            if is_over:
                assert await appending == 2 * len(LARGE)
                return
            with pytest.raises(RegistryReadOnly):
                await appending

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [LARGE, b"small", b""], ids=["large", "small", "nothing"])
def test_bytes_of_another_digest_go_at_once(place: Settings, bucket: Bucket, content: bytes) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, content)
            with pytest.raises(BlobDigestMismatch):
                await whole.registry.uploads.finish(ANYONE, ONE, id_, Digest.of(b"other"), Body(pieces()))
            with pytest.raises(UploadUnknown):
                await whole.registry.uploads.status(ANYONE, ONE, id_)
            assert keys(bucket, bucket.prefix) == [f"{bucket.prefix}/{MARK}"]
            assert await found_in(whole) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("content", [LARGE, b"small"], ids=["large", "small"])
def test_bytes_that_are_here_already_are_not_kept_twice_and_lost_ones_are_healed(
    place: Settings, bucket: Bucket, content: bytes
) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            digest = await push_blob(whole, "team/one", content)
            (key,) = keys(bucket, f"{bucket.prefix}/blobs/")
            await push_blob(whole, "team/two", content)
            assert keys(bucket, f"{bucket.prefix}/blobs/") == [key]
            asked(bucket, "DELETE", key)
            await push_blob(whole, "team/two", content)
            (healed,) = keys(bucket, f"{bucket.prefix}/blobs/")
            assert healed != key
            link = await whole.registry.blobs.find(ANYONE, ONE, digest)
            assert b"".join([piece async for piece in whole.registry.blobs.read(link, 0, link.size - 1)]) == content

    asyncio.run(scenario())


def test_chunks_that_are_refused_leave_nothing_and_what_broke_off_is_kept(place: Settings) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield LARGE
        raise UploadUnknown(upload="", repository="")

    async def scenario() -> None:
        async with parts(place) as whole:
            uploads, id_ = whole.registry.uploads, await begun(whole, b"")
            for _ in range(2):
                with pytest.raises(ChunkIncomplete):
                    await uploads.append(ANYONE, ONE, id_, Body(pieces(LARGE), Chunk(0, 1)))
                assert await found_in(whole) == []
            with pytest.raises(UploadUnknown):
                await uploads.append(ANYONE, ONE, id_, Body(breaking()))
            assert (await uploads.status(ANYONE, ONE, id_)).received == len(LARGE)
            await uploads.finish(ANYONE, ONE, id_, Digest.of(LARGE), Body(pieces()))
            assert await found_in(whole) == ["blobs"]

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["known", "known meanwhile", "of another digest", "cancelled"])
def test_a_clean_up_that_fails_changes_no_answer(place: Settings, bucket: Bucket, s3: S3Server, end: str) -> None:
    content = b"to be cleaned up"

    async def scenario(proxy: Faulty) -> None:
        async with parts(Settings(data=place.data, storage=bucket.url(endpoint=proxy.url), access="open")) as whole:

            async def body() -> AsyncIterator[bytes]:
                if end == "known meanwhile":
                    await push_blob(whole, "team/two", content)
                fault = proxy.fail(ERROR, "DeleteObject", times=99)
                failed.append(fault)
                yield b""

            failed: list[Fault] = []
            uploads, id_ = whole.registry.uploads, await begun(whole, content)
            if end == "known":
                await push_blob(whole, "team/two", content)
            if end == "cancelled":
                failed.append(proxy.fail(ERROR, "DeleteObject", times=99))
                await uploads.cancel(ANYONE, ONE, id_)
            elif end == "of another digest":
                with pytest.raises(BlobDigestMismatch):
                    await uploads.finish(ANYONE, ONE, id_, Digest.of(b"other"), Body(body()))
            else:
                await uploads.finish(ANYONE, ONE, id_, Digest.of(content), Body(body()))
                assert await whole.registry.blobs.find(ANYONE, ONE, Digest.of(content))
            assert failed[0].met > 0
            proxy.forget()
            with pytest.raises(UploadUnknown):
                await uploads.status(ANYONE, ONE, id_)
            assert len([stored async for stored in whole.registry.blobs.leftovers()]) == 1

    with Faulty(("127.0.0.1", s3.port)) as proxy:
        asyncio.run(scenario(proxy))


def test_what_a_crash_left_is_a_leftover_whose_key_deletes_it(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            await push_blob(whole, "team/one", b"named")
            await begun(whole, LARGE)
            id_ = await begun(whole, LARGE)
            await sql(place, "DELETE FROM upload WHERE id = $1", id_)
            left = [stored.key async for stored in whole.registry.blobs.leftovers()]
            assert sorted(key.partition("/")[0] for key in left) == ["blobs", "multipart"]
            await whole.storage.delete_all(left)
            assert [stored async for stored in whole.registry.blobs.leftovers()] == []
            assert len(await found_in(whole)) == 3

    asyncio.run(scenario())


def test_damaged_bytes_are_set_aside_and_the_next_push_heals_them(place: Settings, bucket: Bucket) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            digest = await push_blob(whole, "team/one", LARGE)
            (key,) = keys(bucket, f"{bucket.prefix}/blobs/")
            asked(bucket, "PUT", key, body=bytes(len(LARGE)))
            checker = whole.registry.checker
            (blob,) = await checker.page(0)
            fault = await checker.blob(blob, Pace(0), repair=True)
            assert fault is not None
            assert (fault.kind, fault.what) == ("damaged", str(digest))
            assert keys(bucket, bucket.prefix) == [f"{bucket.prefix}/{MARK}", key.replace("/blobs/", "/quarantine/")]
            assert fault.set_aside == f"s3://{bucket.name}/" + key.replace("/blobs/", "/quarantine/")
            await push_blob(whole, "team/one", LARGE)
            (blob,) = await checker.page(0)
            assert await checker.blob(blob, Pace(0), repair=True) is None

    asyncio.run(scenario())
