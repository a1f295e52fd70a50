"""Whatever a clean-up does while a push goes on, nothing that was acknowledged is lost.

Every action of a push that leans on a blob meets the clean-up in every order of their statements: asking for the blob, mounting
it, uploading it again, naming it in a manifest. The blob begins old and unnamed, which is when the clean-up wants it. The push
goes to one node, and another one cleans up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.registry.errors import BlobUnknown, ReferencesUnknown, RegistryError
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.domain.registry.service.collection import Collector
from entrepot.domain.registry.service.uploads import Body
from entrepot.platform.db.database import Database
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.counts import LONG
from support.interleaving import Actor, Ended, Stepped, interleave, schedules
from support.parts import neighbour, parts, push_blob, sql
from support.stores import pieces

ONE: Final = RepositoryName.parse("team/one")
TWO: Final = RepositoryName.parse("team/two")
Action = Callable[[Registry, bytes], Awaitable[Any]]


async def ask(rooms: Registry, content: bytes) -> RepositoryName:
    await rooms.blobs.check(ANYONE, ONE, Digest.of(content))
    return ONE


async def mount(rooms: Registry, content: bytes) -> RepositoryName | None:
    return TWO if await rooms.uploads.mount(ANYONE, TWO, Digest.of(content), ONE) else None


async def mount_from_anywhere(rooms: Registry, content: bytes) -> RepositoryName | None:
    return TWO if await rooms.uploads.mount(ANYONE, TWO, Digest.of(content), None) else None


async def upload_again(rooms: Registry, content: bytes) -> RepositoryName:
    upload = await rooms.uploads.start(ANYONE, ONE, "sha256")
    await rooms.uploads.finish(ANYONE, ONE, upload.id, Digest.of(content), Body(pieces(content)))
    return ONE


async def upload_elsewhere(rooms: Registry, content: bytes) -> RepositoryName:
    upload = await rooms.uploads.start(ANYONE, TWO, "sha256")
    await rooms.uploads.finish(ANYONE, TWO, upload.id, Digest.of(content), Body(pieces(content)))
    return TWO


async def name_it(rooms: Registry, content: bytes) -> RepositoryName:
    await rooms.manifests.push(ANYONE, ONE, manifests.image(Digest.of(content)), None, ["named"])
    return ONE


# Each action, and what it may say when the clean-up was first. An upload brings the bytes along and never fails.
ACTIONS: Final[dict[Action, type[RegistryError] | None]] = {
    ask: BlobUnknown,
    mount: None,
    mount_from_anywhere: None,
    upload_again: None,
    upload_elsewhere: None,
    name_it: ReferencesUnknown,
}

# They have the most statements, and so the most orders.
NEVER_REFUSED: Final = (upload_again, upload_elsewhere)


def service(whole: Parts, db: Database) -> Registry:
    return registry(db, whole.storage, OpenRule(), Rules(gc_grace_s=3600, sparse="none"))


async def old_blob(whole: Parts, place: Settings, content: bytes) -> None:
    """Push a blob that no manifest names, an hour and more ago."""
    await push_blob(whole, ONE.stored, content)
    old = "UPDATE repository_blob SET touched_at = 1 WHERE blob = (SELECT id FROM blob WHERE digest = $1)"
    await sql(place, old, str(Digest.of(content)))
    await sql(place, "UPDATE repository SET uploaded_at = 1")


async def race(whole: Parts, other: Parts, action: Action, content: bytes, switches: list[int]) -> tuple[Ended, Ended]:
    """Let the action and the clean-up meet by this schedule."""
    inside = bool(whole_is_postgresql(whole))
    pusher, cleaner = Actor(), Actor()
    rooms, cleaned = service(whole, Stepped(whole.db, pusher, inside=inside)), Stepped(other.db, cleaner, inside=inside)

    async def clean() -> None:
        await collect(other, cleaned)

    return await interleave((pusher, lambda: action(rooms, content)), (cleaner, clean), switches)


async def collect(whole: Parts, db: Database) -> tuple[int, int]:
    """Do a whole collection on a connection of its own; return how many links and how many blobs went."""
    collector = Collector(db, whole.storage, whole.registry.blobs, gc_grace_s=3600)
    return (await collector.take_links((0, 0))).taken, (await collector.condemn(0)).taken


def whole_is_postgresql(whole: Parts) -> bool:
    return type(whole.db).__name__ == "PostgresqlDatabase"


async def check_kept(whole: Parts, other: Parts, name: RepositoryName, content: bytes) -> None:
    """What the answer promised holds, after another clean-up too: a manifest may name the blob, and both nodes have its bytes."""
    await collect(other, other.db)
    manifest = manifests.image(Digest.of(content), annotations={"after": "the race"})
    await whole.registry.manifests.push(ANYONE, name, manifest, None, [])
    await collect(other, other.db)
    for node in (whole, other):
        link = await node.registry.blobs.find(ANYONE, name, Digest.of(content))
        assert b"".join([piece async for piece in node.registry.blobs.read(link, 0, link.size - 1)]) == content


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_what_a_push_was_told_holds_in_every_order_with_a_clean_up(
    place: Settings, number: Iterator[int], action: Action
) -> None:
    async def scenario() -> None:
        refusals = 0
        async with parts(place) as whole, parts(neighbour(place)) as other:
            plan = [[0]]
            while plan:
                content = f"blob {next(number)}".encode()
                await old_blob(whole, place, content)
                switches = plan.pop()
                pushed, cleaned = await race(whole, other, action, content, switches)
                assert cleaned.result is None, switches
                if switches == [0]:
                    plan = list(schedules((pushed.stops, cleaned.stops), deep=LONG or action not in NEVER_REFUSED))[1:]
                if isinstance(pushed.result, RepositoryName):
                    await check_kept(whole, other, pushed.result, content)
                else:
                    refusals += 1
                    assert pushed.result is None or isinstance(pushed.result, ACTIONS[action] or ()), (switches, pushed.result)
                    # What was refused for want of the blob is answered by pushing it.
                    await check_kept(whole, other, await upload_again(whole.registry, content), content)
        assert (refusals > 0) == (action not in NEVER_REFUSED)

    asyncio.run(scenario())


def test_the_clean_up_takes_what_nobody_protects(place: Settings, number: Iterator[int]) -> None:
    content = f"blob {next(number)}".encode()

    async def scenario() -> None:
        async with parts(place) as whole:
            await old_blob(whole, place, content)
            assert await collect(whole, whole.db) == (1, 1)
            with pytest.raises(BlobUnknown):
                await whole.registry.blobs.find(ANYONE, ONE, Digest.of(content))
            assert not await mount_from_anywhere(whole.registry, content)

    asyncio.run(scenario())


def test_a_condemned_blob_that_is_pushed_again_gets_a_row_and_a_key_of_its_own(place: Settings, number: Iterator[int]) -> None:
    content = f"blob {next(number)}".encode()

    async def scenario() -> None:
        async with parts(place) as whole:
            await old_blob(whole, place, content)
            await collect(whole, whole.db)
            await push_blob(whole, ONE.stored, content)
            rows = await sql(
                place, "SELECT storage_key, condemned_at IS NULL FROM blob WHERE digest = $1 ORDER BY id", str(Digest.of(content))
            )
            assert [bool(live) for _, live in rows] == [False, True]
            assert rows[0][0] != rows[1][0]
            assert (await whole.registry.blobs.find(ANYONE, ONE, Digest.of(content))).storage_key == rows[1][0]

    asyncio.run(scenario())


def test_asking_for_a_fresh_blob_writes_nothing(place: Settings, number: Iterator[int]) -> None:
    content = f"blob {next(number)}".encode()
    touched = "SELECT touched_at FROM repository_blob JOIN blob ON blob.id = blob WHERE digest = $1"
    quarter_us = 900_000_000

    async def scenario() -> None:
        async with parts(place) as whole:
            await push_blob(whole, ONE.stored, content)
            for age_us, is_touched in ((quarter_us - 60_000_000, False), (quarter_us + 60_000_000, True)):
                age = (
                    "UPDATE repository_blob SET touched_at = touched_at - $1 WHERE blob = (SELECT id FROM blob WHERE digest = $2)"
                )
                await sql(place, age, age_us, str(Digest.of(content)))
                before = await sql(place, touched, str(Digest.of(content)))
                await whole.registry.blobs.check(ANYONE, ONE, Digest.of(content))
                assert (await sql(place, touched, str(Digest.of(content))) != before) == is_touched
                await upload_again(whole.registry, content)

    asyncio.run(scenario())
