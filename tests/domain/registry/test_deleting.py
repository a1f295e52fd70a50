"""Deleting beside pushing: no manifest without its blobs, no tag without its manifest, and never a mistake of ours."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.registry.errors import BlobInUse, BlobUnknown, RegistryError
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.platform.db.database import Database
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.manifest import Manifest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.counts import LONG
from support.interleaving import Actor, Stepped, interleave, schedules
from support.parts import opened, parts, push_blob, sql

ONE: Final = RepositoryName.parse("team/one")
# An index may outlive its images: deleting one is allowed. A manifest may not outlive its blobs.
UNNAMED: Final = (
    "SELECT r.digest FROM manifest_reference r WHERE r.kind NOT IN ('elsewhere', 'child') AND NOT EXISTS "
    "(SELECT 1 FROM repository_blob l JOIN blob b ON b.id = l.blob "
    "WHERE l.repository = r.repository AND b.digest = r.digest AND b.condemned_at IS NULL) AND NOT EXISTS "
    "(SELECT 1 FROM manifest m WHERE m.repository = r.repository AND m.digest = r.digest)"
)


class Things(NamedTuple):
    """What a race is about: a blob, two images of it and an index of the first."""

    blob: Digest
    first: Manifest
    second: Manifest
    over_first: Manifest
    tag: str


Act = Callable[[Registry, Things], Awaitable[Any]]


async def push_first(rooms: Registry, things: Things) -> Any:
    await rooms.manifests.push(ANYONE, ONE, things.first, None, [things.tag])


async def push_second(rooms: Registry, things: Things) -> Any:
    await rooms.manifests.push(ANYONE, ONE, things.second, None, [things.tag, f"{things.tag}-also"])


async def push_index(rooms: Registry, things: Things) -> Any:
    await rooms.manifests.push(ANYONE, ONE, things.over_first, None, [f"{things.tag}-index"])


async def delete_first(rooms: Registry, things: Things) -> Any:
    await rooms.manifests.delete(ANYONE, ONE, things.first.digest)


async def delete_tag(rooms: Registry, things: Things) -> Any:
    await rooms.tags.delete(ANYONE, ONE, things.tag)


async def delete_blob(rooms: Registry, things: Things) -> Any:
    await rooms.blobs.delete(ANYONE, ONE, things.blob)


# Each race: what was done before it, and the two that meet.
RACES: Final[list[tuple[list[Act], Act, Act]]] = [
    ([], push_first, delete_blob),
    ([], push_first, push_first),
    ([], push_first, push_second),
    ([push_first], push_first, delete_first),
    ([push_first], push_second, delete_first),
    ([push_first], push_second, delete_tag),
    ([push_first], push_first, delete_tag),
    ([push_first], delete_first, delete_tag),
    ([push_first], delete_first, delete_first),
    ([push_first], push_index, delete_first),
    ([push_first], push_first, delete_blob),
]


async def prepared_things(whole: Parts, number: int) -> Things:
    blob = await push_blob(whole, ONE.stored, f"blob {number}".encode())
    first, second = (manifests.image(blob, annotations={"number": f"{number} {each}"}) for each in ("first", "second"))
    return Things(blob, first, second, manifests.index(first.digest), f"v{number}")


def service(whole: Parts, db: Database) -> Registry:
    return registry(db, whole.storage, OpenRule(), Rules(gc_grace_s=3600, sparse="none"))


@pytest.mark.parametrize("race", RACES, ids=lambda race: f"{race[1].__name__}-{race[2].__name__}")
def test_whatever_meets_leaves_nothing_that_names_what_is_not_there(
    place: Settings, number: Iterator[int], race: tuple[list[Act], Act, Act]
) -> None:
    before, one, other = race

    async def scenario() -> None:
        async with parts(place) as whole, opened(place) as second:
            inside = bool(place.database)
            plan = [[0]]
            while plan:
                things, switches = await prepared_things(whole, next(number)), plan.pop()
                for act in before:
                    await act(whole.registry, things)
                actors = Actor(), Actor()
                rooms = [
                    service(whole, Stepped(db, actor, inside=inside))
                    for db, actor in zip((whole.db, second), actors, strict=True)
                ]
                works = [lambda: one(rooms[0], things), lambda: other(rooms[1], things)]  # noqa: B023 - run in this turn
                ended = await interleave((actors[0], works[0]), (actors[1], works[1]), switches)
                if switches == [0]:
                    plan = list(schedules((ended[0].stops, ended[1].stops), deep=LONG))[1:]
                assert all(each.result is None or isinstance(each.result, RegistryError) for each in ended), (switches, ended)
                assert await sql(place, UNNAMED) == [], switches
                await check_tags(whole, place)

    asyncio.run(scenario())


async def check_tags(whole: Parts, place: Settings) -> None:
    """Every tag's manifest can be pulled, and the record of moves, replayed, gives the tags."""
    found = await sql(
        place,
        "SELECT tag.name, manifest.digest FROM tag JOIN manifest ON manifest.id = tag.manifest ORDER BY tag.name",
    )
    replayed: dict[str, str | None] = {}
    for name, before, after in await sql(place, "SELECT name, from_digest, to_digest FROM tag_move ORDER BY id"):
        assert replayed.get(name) == before, f"{name} moved from {before}, but was at {replayed.get(name)}"
        assert before != after, f"{name} is said to have moved to where it was"
        replayed[name] = after
    assert {name: digest for name, digest in replayed.items() if digest} == dict(found)
    if found:
        assert str((await whole.registry.manifests.find(ANYONE, ONE, found[-1][0])).digest) == found[-1][1]


def test_a_blob_that_a_manifest_names_is_not_deleted(place: Settings, number: Iterator[int]) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            things = await prepared_things(whole, next(number))
            await push_first(whole.registry, things)
            with pytest.raises(BlobInUse):
                await delete_blob(whole.registry, things)
            await delete_first(whole.registry, things)
            await delete_blob(whole.registry, things)
            with pytest.raises(BlobUnknown):
                await delete_blob(whole.registry, things)

    asyncio.run(scenario())


def test_deleting_a_blob_in_one_repository_leaves_it_in_the_others(place: Settings, number: Iterator[int]) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            things = await prepared_things(whole, next(number))
            two = RepositoryName.parse("team/two")
            await whole.registry.uploads.mount(ANYONE, two, things.blob, ONE)
            await delete_blob(whole.registry, things)
            assert (await whole.registry.blobs.find(ANYONE, two, things.blob)).size > 0

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", range(8 if LONG else 2))
def test_the_record_of_moves_replayed_gives_the_tags_after_any_crowd(place: Settings, number: Iterator[int], seed: int) -> None:
    async def scenario() -> None:
        async with parts(place) as whole, opened(place) as second:
            things = await prepared_things(whole, next(number))
            acts = [push_first, push_second, delete_first, delete_tag, push_index]
            crowd = [acts[(place_ * 7 + seed) % len(acts)] for place_ in range(100)]
            rooms = (whole.registry, service(whole, second))
            ended = await asyncio.gather(
                *(act(rooms[place_ % 2], things) for place_, act in enumerate(crowd)), return_exceptions=True
            )
            assert {type(each) for each in ended if not isinstance(each, RegistryError)} == {type(None)}
            await check_tags(whole, place)

    asyncio.run(scenario())
