"""Uploads and the blobs they become: kept once, reached through their repository, healed, and changed by one at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from entrepot.app.parts import Parts
from entrepot.base.errors import EntrepotError
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.registry.errors import (
    BlobDigestMismatch,
    BlobUnknown,
    ChunkIncomplete,
    RepositoryUnknown,
    UploadLost,
    UploadOutOfOrder,
    UploadUnknown,
)
from entrepot.domain.registry.service.leases import LEASE_S
from entrepot.domain.registry.service.uploads import Body
from entrepot.spec.oci.chunks import Chunk
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support.killing import files
from support.parts import parts, push_blob, received, sql
from support.stores import pieces

pytestmark = pytest.mark.single  # they look into the folder of blobs
ONE: Final = RepositoryName.parse("team/one")
TWO: Final = RepositoryName.parse("team/two")


async def fetched(whole: Parts, name: RepositoryName, digest: Digest) -> bytes:
    link = await whole.registry.blobs.find(ANYONE, name, digest)
    return b"".join([piece async for piece in whole.registry.blobs.read(link, 0, link.size - 1)])


async def begun(whole: Parts, *content: bytes) -> str:
    """Begin an upload in the first repository, with some bytes."""
    upload = await whole.registry.uploads.start(ANYONE, ONE, "sha256")
    if content:
        await whole.registry.uploads.append(ANYONE, ONE, upload.id, Body(pieces(*content)))
    return upload.id


class Slow:
    """A body whose last piece comes when it is let."""

    def __init__(self, *content: bytes) -> None:
        self._content = content
        self.waits = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._content[:-1]:
            yield piece
        self.waits.set()
        await self.go_on.wait()
        yield self._content[-1]


def test_the_same_bytes_are_kept_once_whoever_pushes_them(place: Settings, number: Iterator[int]) -> None:
    content = f"shared {next(number)}".encode()

    async def scenario() -> None:
        async with parts(place) as whole:
            before = files(Path(place.data))
            for name in ("team/one", "team/two", "else/where", "team/one"):
                await push_blob(whole, name, content)
            await asyncio.gather(*(push_blob(whole, f"team/crowd-{each}", content) for each in range(10)))
            assert len(files(Path(place.data)) - before) == 1
            assert await fetched(whole, TWO, Digest.of(content)) == content

    asyncio.run(scenario())


def test_an_end_that_was_not_recorded_leaves_nothing_when_the_bytes_came_otherwise(
    place: Settings, number: Iterator[int]
) -> None:
    content = f"otherwise {next(number)}".encode()
    digest = Digest.of(content)

    async def scenario() -> None:
        async with parts(place) as whole:
            before, id_ = files(Path(place.data)), await begun(whole, content)
            handle = (await whole.registry.uploads.status(ANYONE, ONE, id_)).handle
            async with whole.storage.hold(handle, len(content)) as held:
                await held.finish(digest, len(content))  # and then the process dies
            await push_blob(whole, "team/two", content)
            await whole.registry.uploads.finish(ANYONE, ONE, id_, digest, Body(pieces()))
            assert len(files(Path(place.data)) - before) == 1
            assert await fetched(whole, ONE, digest) == content

    asyncio.run(scenario())


def test_a_blob_is_reached_only_through_a_repository_that_has_it(place: Settings, number: Iterator[int]) -> None:
    content = f"private {next(number)}".encode()

    async def scenario() -> None:
        async with parts(place) as whole:
            digest = await push_blob(whole, "team/one", content)
            await push_blob(whole, "team/two", b"something else")
            for ask in (whole.registry.blobs.find, whole.registry.blobs.check, whole.registry.blobs.delete):
                with pytest.raises(BlobUnknown):
                    await ask(ANYONE, TWO, digest)
                with pytest.raises(RepositoryUnknown):
                    await ask(ANYONE, RepositoryName.parse("no/body"), digest)
            assert not await whole.registry.uploads.mount(ANYONE, TWO, digest, RepositoryName.parse("no/body"))
            assert await whole.registry.uploads.mount(ANYONE, TWO, digest, ONE)
            assert await fetched(whole, TWO, digest) == content

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["deleted", "truncated"])
def test_pushing_again_heals_a_blob_whose_bytes_were_lost(place: Settings, number: Iterator[int], damage: str) -> None:
    content = f"precious {next(number)}".encode() * 20_000

    async def scenario() -> None:
        async with parts(place) as whole:
            digest = await push_blob(whole, "team/one", content)
            await whole.registry.uploads.mount(ANYONE, TWO, digest, ONE)
            key = (await whole.registry.blobs.find(ANYONE, ONE, digest)).storage_key
            file = Path(place.data) / key
            if damage == "deleted":
                file.unlink()
            else:
                file.chmod(0o600)
                file.write_bytes(content[:1000])
            await push_blob(whole, "team/one", content)
            assert await fetched(whole, ONE, digest) == await fetched(whole, TWO, digest) == content
            assert (await whole.registry.blobs.find(ANYONE, TWO, digest)).storage_key != key

    asyncio.run(scenario())


def test_bytes_of_another_digest_are_discarded_with_their_upload(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            before, id_ = files(Path(place.data)), await begun(whole, b"some")
            with pytest.raises(BlobDigestMismatch):
                await whole.registry.uploads.finish(ANYONE, ONE, id_, Digest.of(b"others"), Body(pieces()))
            with pytest.raises(UploadUnknown):
                await whole.registry.uploads.status(ANYONE, ONE, id_)
            assert files(Path(place.data)) == before

    asyncio.run(scenario())


class Gone(EntrepotError):
    """The client has gone away."""

    summary = "gone"


async def breaking(content: bytes) -> AsyncIterator[bytes]:
    for place in range(0, len(content), 1 << 20):
        yield content[place : place + (1 << 20)]
    raise Gone


@pytest.mark.parametrize("size", [1, 5 << 20])
def test_an_end_that_breaks_off_gives_its_bytes_back_and_can_be_asked_for_again(
    place: Settings, number: Iterator[int], size: int
) -> None:
    content = f"kept {next(number)}".encode() + bytes(size)

    async def scenario() -> None:
        async with parts(place) as whole:
            id_, digest, uploads = await begun(whole, content[:4]), Digest.of(content), whole.registry.uploads
            handle = (await uploads.status(ANYONE, ONE, id_)).handle
            failing = ((Body(breaking(content[4:])), Gone), (Body(pieces(content[4:]), Chunk(4, 4)), ChunkIncomplete))
            for body, error in failing:
                with pytest.raises(error):
                    await uploads.finish(ANYONE, ONE, id_, digest, body)
                assert received(place, handle) == 4
            await uploads.finish(ANYONE, ONE, id_, digest, Body(pieces(content[4:])))
            assert await fetched(whole, ONE, digest) == content

    asyncio.run(scenario())


def test_an_end_that_is_cancelled_gives_its_bytes_back(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, b"kept")
            handle = (await whole.registry.uploads.status(ANYONE, ONE, id_)).handle

            slow = Slow(*[bytes(1 << 20)] * 8)
            digest, uploads = Digest.of(b"never"), whole.registry.uploads
            task = asyncio.create_task(uploads.finish(ANYONE, ONE, id_, digest, Body(aiter(slow))))
            await slow.waits.wait()
            assert received(place, handle) > 4
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert received(place, handle) == 4

    asyncio.run(scenario())


@pytest.mark.parametrize("failure", ["broken", "incomplete", "other", "cancelled"])
def test_an_upload_that_only_its_request_knows_is_discarded_when_it_fails(place: Settings, failure: str) -> None:
    content = bytes(3 << 20)

    async def scenario() -> None:
        async with parts(place) as whole:
            before, id_, slow = files(Path(place.data)), await begun(whole), Slow(content, b"never")
            body, error = {
                "broken": (Body(breaking(content)), Gone),
                "incomplete": (Body(pieces(content), Chunk(0, 1)), ChunkIncomplete),
                "other": (Body(pieces(content)), BlobDigestMismatch),
                "cancelled": (Body(aiter(slow)), asyncio.CancelledError),
            }[failure]
            task = asyncio.create_task(whole.registry.uploads.finish_whole(ANYONE, ONE, id_, Digest.of(b"never"), body))
            if failure == "cancelled":
                await slow.waits.wait()
                task.cancel()
            with pytest.raises(error):
                await task
            with pytest.raises(UploadUnknown):
                await whole.registry.uploads.status(ANYONE, ONE, id_)
            assert files(Path(place.data)) == before

    asyncio.run(scenario())


def test_a_discard_that_fails_does_not_hide_why(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole)
            file = Path(place.data) / "uploads" / (await whole.registry.uploads.status(ANYONE, ONE, id_)).handle

            async def body() -> AsyncIterator[bytes]:
                yield b"some"
                file.unlink()
                file.mkdir()  # it cannot be held any more
                raise Gone

            with pytest.raises(Gone):
                await whole.registry.uploads.finish_whole(ANYONE, ONE, id_, Digest.of(b"some"), Body(body()))
            assert await whole.registry.uploads.status(ANYONE, ONE, id_), "it expires"
            file.rmdir()

    asyncio.run(scenario())


def test_an_end_that_is_asked_for_twice_succeeds_twice(place: Settings, number: Iterator[int]) -> None:
    content = f"twice {next(number)}".encode()

    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, content)
            for _ in range(2):
                await whole.registry.uploads.finish(ANYONE, ONE, id_, Digest.of(content), Body(pieces()))
            with pytest.raises(UploadUnknown):
                await whole.registry.uploads.finish(ANYONE, ONE, id_, Digest.of(b"another"), Body(pieces()))

    asyncio.run(scenario())


def test_a_digest_of_another_algorithm_than_was_begun_with_is_computed_anew(place: Settings, number: Iterator[int]) -> None:
    content = f"either {next(number)}".encode() * 100_000

    async def scenario() -> None:
        async with parts(place) as whole:
            id_, digest = await begun(whole, content[:500_000]), Digest.of(content, "sha512")
            await whole.registry.uploads.finish(ANYONE, ONE, id_, digest, Body(pieces(content[500_000:])))
            assert await fetched(whole, ONE, digest) == content

    asyncio.run(scenario())


def test_an_upload_without_a_saved_state_is_read_again(place: Settings, number: Iterator[int]) -> None:
    content = f"again {next(number)}".encode() * 100_000

    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, content[:700_000])
            await sql(place, "UPDATE upload SET hash_state = NULL WHERE id = $1", id_)
            await whole.registry.uploads.finish(ANYONE, ONE, id_, Digest.of(content), Body(pieces(content[700_000:])))
            assert await fetched(whole, ONE, Digest.of(content)) == content

    asyncio.run(scenario())


def test_two_requests_at_once_change_an_upload_one_after_the_other(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole, parts(place) as twin:
            id_, slow = await begun(whole), Slow(b"first ", b"half")
            first = asyncio.create_task(whole.registry.uploads.append(ANYONE, ONE, id_, Body(aiter(slow))))
            await slow.waits.wait()
            second = asyncio.create_task(twin.registry.uploads.append(ANYONE, ONE, id_, Body(pieces(b"!"), Chunk(10, 10))))
            await asyncio.sleep(0.4)
            assert not second.done()
            slow.go_on.set()
            assert (await first, await second) == (10, 11)
            with pytest.raises(UploadOutOfOrder):
                await twin.registry.uploads.append(ANYONE, ONE, id_, Body(pieces(b"!"), Chunk(10, 10)))
            whole_content = Digest.of(b"first half!")
            await twin.registry.uploads.finish(ANYONE, ONE, id_, whole_content, Body(pieces()))
            assert await fetched(whole, ONE, whole_content) == b"first half!"

    asyncio.run(scenario())


def test_a_body_slower_than_a_lease_keeps_it(place: Settings) -> None:
    until = "SELECT lease_until FROM upload WHERE id = $1"

    async def scenario() -> None:
        async with parts(place) as whole:
            id_, slow = await begun(whole), Slow(b"slow ", b"body")
            task = asyncio.create_task(whole.registry.uploads.append(ANYONE, ONE, id_, Body(aiter(slow))))
            await slow.waits.wait()
            before = await sql(place, until, id_)
            await asyncio.sleep(LEASE_S / 3 + 0.8)
            assert (await sql(place, until, id_))[0][0] >= before[0][0] + 3_000_000
            slow.go_on.set()
            assert await task == 9
            assert await sql(place, until, id_) == [(0,)]

    asyncio.run(scenario())


def test_a_lease_of_a_dead_process_ends_by_itself(place: Settings) -> None:
    dead = "UPDATE upload SET lease = 'of the dead', lease_until = lease_until + $1 WHERE id = $2"

    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, b"some")
            now = (await sql(place, "SELECT progressed_at FROM upload WHERE id = $1", id_))[0][0]
            await sql(place, dead, now + 1_500_000, id_)
            async with asyncio.timeout(8):
                assert await whole.registry.uploads.append(ANYONE, ONE, id_, Body(pieces(b" more"))) == 9

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["append", "finish"])
def test_who_lost_its_lease_acknowledges_nothing(place: Settings, number: Iterator[int], end: str) -> None:
    halves = f"lost {next(number)} ".encode(), b"lease"
    digest = Digest.of(b"".join(halves))

    async def scenario() -> None:
        async with parts(place) as whole:
            id_, slow = await begun(whole), Slow(*halves)
            body = Body(aiter(slow))
            uploads = whole.registry.uploads
            work: Any = (
                uploads.append(ANYONE, ONE, id_, body) if end == "append" else uploads.finish(ANYONE, ONE, id_, digest, body)
            )
            task = asyncio.create_task(work)
            await slow.waits.wait()
            await sql(place, "UPDATE upload SET lease = 'another''s' WHERE id = $1", id_)
            slow.go_on.set()
            with pytest.raises(UploadLost):
                await task
            assert (await uploads.status(ANYONE, ONE, id_)).received == 0
            with pytest.raises(BlobUnknown):
                await whole.registry.blobs.find(ANYONE, ONE, digest)

    asyncio.run(scenario())


def test_a_cancelled_request_gives_the_upload_back_as_it_was(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            id_, slow = await begun(whole, b"kept"), Slow(bytes(3 << 20), b"never")
            task = asyncio.create_task(whole.registry.uploads.append(ANYONE, ONE, id_, Body(aiter(slow))))
            await slow.waits.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await whole.registry.uploads.status(ANYONE, ONE, id_)).received == 4
            async with asyncio.timeout(3):
                assert await whole.registry.uploads.append(ANYONE, ONE, id_, Body(pieces(b" it"))) == 7

    asyncio.run(scenario())


def test_an_upload_belongs_to_its_repository_and_expires(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            id_ = await begun(whole, b"some")
            for name in (TWO, RepositoryName.parse("no/body")):
                with pytest.raises(UploadUnknown):
                    await whole.registry.uploads.append(ANYONE, name, id_, Body(pieces(b"x")))
            await sql(place, "UPDATE upload SET expires_at = 1 WHERE id = $1", id_)
            with pytest.raises(UploadUnknown):
                await whole.registry.uploads.status(ANYONE, ONE, id_)
            assert id_ not in {stored.handle async for stored in whole.registry.blobs.leftovers()}

    asyncio.run(scenario())
