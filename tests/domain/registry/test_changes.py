"""The feed of changes: whatever is told of a repository otherwise than before writes a row, and who follows them misses none."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.model import Badge, Category
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.registry.model import Change, Mark
from entrepot.domain.registry.service.changes import Changes
from entrepot.spec.oci.manifest import Manifest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import PASSWORD
from support.parts import FILE, parts, push_blob, sql

name: Final = RepositoryName.parse


class Stage(msgspec.Struct, frozen=True):
    """What a scenario has: `app` is a repository that was pushed to, in the namespace `team`."""

    place: Settings
    whole: Parts
    team: str
    app: RepositoryName

    @property
    def feed(self) -> Changes:
        return Changes(self.whole.db)

    async def push(self, of: RepositoryName, tag: str = "v1", **more: Any) -> Manifest:
        pushed = manifests.image(await push_blob(self.whole, of.stored, b"{}"), **more)
        await self.whole.registry.manifests.push(ANYONE, of, pushed, None, [tag])
        return pushed

    async def id_of(self, of: RepositoryName) -> int:
        rows = await sql(self.place, "SELECT id FROM repository WHERE name = $1", of.stored)
        return int(rows[0][0])

    async def changed_by(self, act: Awaitable[object]) -> list[int]:
        """Return which repositories the feed tells of that an act changed."""
        end = await self.feed.end()
        await act
        return [each.repository for each in await self.feed.after(end, 100)]


def play(place: Settings, number: Iterator[int], scenario: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a scenario with a repository of its own."""

    async def inside() -> None:
        async with parts(place) as whole:
            team = f"team{next(number)}"
            stage = Stage(place, whole, team, name(f"{team}/app"))
            await stage.push(stage.app)
            await scenario(stage)

    asyncio.run(inside())


Act = Callable[[Stage], Awaitable[object]]
ACTS: Final[dict[str, Act]] = {
    "push": lambda on: on.push(on.app, "v2", annotations={"number": "2"}),
    "push of the same": lambda on: on.push(on.app),
    "tag deleted": lambda on: on.whole.registry.tags.delete(ANYONE, on.app, "v1"),
    "described": lambda on: on.whole.registry.repositories.describe(ANYONE, on.app, description="new"),
    "README": lambda on: on.whole.registry.repositories.describe(ANYONE, on.app, readme="# new"),
    "private": lambda on: on.whole.registry.repositories.set_visibility(ANYONE, on.app, public=False),
    "archived": lambda on: on.whole.registry.repositories.set_archived(ANYONE, on.app, archived=True),
    "renamed": lambda on: on.whole.registry.repositories.rename(ANYONE, on.app, name(f"{on.team}/web")),
    "deleted": lambda on: on.whole.registry.repositories.delete(ANYONE, on.app),
    "namespace renamed": lambda on: on.whole.registry.names.rename(on.team, f"{on.team}-new", "organisation"),
    "shelved": lambda on: Kinds(on.whole.db, OpenRule()).shelve(ANYONE, on.app, ["security"]),
    "badge": lambda on: Kinds(on.whole.db, OpenRule()).grant(on.team, Badge.VERIFIED, "seen"),
}


@pytest.mark.parametrize("act", ACTS)
def test_whatever_is_told_otherwise_than_before_is_a_change(place: Settings, number: Iterator[int], act: str) -> None:
    async def scenario(on: Stage) -> None:
        id_ = await on.id_of(on.app)
        assert set(await on.changed_by(ACTS[act](on))) == {id_}

    play(place, number, scenario)


def test_a_manifest_that_is_deleted_and_one_that_is_pushed_are_named(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        end = await on.feed.end()
        pushed = await on.push(on.app, "v2", annotations={"number": "2"})
        (pushed_row,) = await on.feed.after(end, 10)
        rows = await sql(on.place, "SELECT id FROM manifest WHERE digest = $1", str(pushed.digest))
        assert pushed_row.manifest in [row[0] for row in rows]
        delete = on.whole.registry.manifests.delete(ANYONE, on.app, pushed.digest)
        assert await on.changed_by(delete) == [await on.id_of(on.app)]

    play(place, number, scenario)


def test_a_repository_that_is_made_before_a_push_is_a_change(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        new = name(f"{on.team}/new")
        changed = await on.changed_by(on.whole.registry.listing.add(ANYONE, new, public=True))
        assert set(changed) == {await on.id_of(new)}

    play(place, number, scenario)


def test_all_of_a_namespace_are_changed_with_it(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        await on.push(name(f"{on.team}/other"))
        await on.push(name(f"{on.team}0/elsewhere"))
        ids = {await on.id_of(on.app), await on.id_of(name(f"{on.team}/other"))}
        kinds = Kinds(on.whole.db, OpenRule())
        assert set(await on.changed_by(kinds.grant(on.team, Badge.SPONSORED, "seen"))) == ids
        assert set(await on.changed_by(kinds.revoke(on.team, Badge.SPONSORED))) == ids
        assert set(await on.changed_by(on.whole.registry.names.rename(on.team, f"{on.team}x", "organisation"))) == ids

    play(place, number, scenario)


def test_stars_and_a_category_that_goes_are_changes(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        id_, user = await on.id_of(on.app), f"cleo{next(number)}"
        await on.whole.accounts.users.add(user, PASSWORD)
        account = (await on.whole.accounts.users.find(user)).id
        stars, kinds = Stars(on.whole.db, OpenRule()), Kinds(on.whole.db, OpenRule())
        actor = Actor(user, account=account)
        assert await on.changed_by(stars.give(actor, on.app)) == [id_]
        assert await on.changed_by(stars.give(actor, on.app)) == []
        assert await on.changed_by(stars.take(actor, on.app)) == [id_]
        await kinds.put_category(Category(on.team, "A shelf", "Un rayon"), 99)
        await kinds.shelve(ANYONE, on.app, [on.team])
        assert await on.changed_by(kinds.drop_category(on.team)) == [id_]

    play(place, number, scenario)


def test_changes_are_read_in_pages_in_one_order(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        end = await on.feed.end()
        for count in range(5):
            await on.push(on.app, annotations={"number": str(count)})
        everything = await on.feed.after(end, 100)
        paged: list[Change] = []
        while some := await on.feed.after(paged[-1].mark if paged else end, 2):
            paged += some
        assert len(everything) == 5
        assert paged == everything == sorted(everything, key=lambda each: each.mark)
        assert await on.feed.end() == everything[-1].mark

    play(place, number, scenario)


def test_what_is_older_than_a_week_is_forgotten_but_the_last_row(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        await on.push(on.app, "v2")
        before = await on.feed.end()
        assert await on.feed.forget() == 0
        await sql(on.place, "UPDATE repository_change SET made_at = made_at - $1", 8 * 86_400 * 1_000_000)
        assert await on.feed.forget() > 0
        assert await sql(on.place, "SELECT count(*) FROM repository_change") == [(1,)]
        assert (await on.feed.end()).id == before.id
        await on.push(on.app, "v3")
        assert len(await on.feed.after(before, 10)) == 1

    play(place, number, scenario)


def test_what_is_committed_late_is_not_missed(place: Settings, number: Iterator[int]) -> None:
    """Two transactions end in the other order than they wrote."""

    async def scenario(on: Stage) -> None:
        mark = await on.feed.end()
        async with _writing(place) as early:
            await early(1)
            if place.database:
                async with _writing(place) as late:
                    await late(2)
                # The second has ended, and is not told of while something may come before it.
                assert await on.feed.after(mark, 10) == []
                assert await on.feed.end() == mark
        seen = await on.feed.after(mark, 10)
        assert [each.repository for each in seen] == ([-1, -2] if place.database else [-1])

    play(place, number, scenario)


def test_a_transaction_that_is_rolled_back_holds_nothing_up(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        mark = await on.feed.end()
        with suppress(ZeroDivisionError):
            async with _writing(place) as write:
                await write(1)
                raise ZeroDivisionError
        await on.push(on.app, "v2")
        assert [each.repository for each in await on.feed.after(mark, 10)] == [await on.id_of(on.app)]

    play(place, number, scenario)


def test_the_feed_begins_at_nothing(place: Settings, number: Iterator[int]) -> None:
    async def scenario(on: Stage) -> None:
        assert Mark() < (await on.feed.end())
        settled, now = await on.feed.clocks()
        assert (await on.feed.end()).xact < settled
        assert now > 1_700_000_000_000_000

    play(place, number, scenario)


_ROW: Final = "INSERT INTO repository_change (repository, made_at) VALUES (-{}, 1)"
Write = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def _writing(place: Settings) -> Any:
    """Give what writes changes in a transaction that lasts as long as the block."""
    if place.database:
        connection = await asyncpg.connect(place.database)
        try:
            async with connection.transaction():
                yield lambda which: connection.execute(_ROW.format(which))
        finally:
            await connection.close()
        return
    with closing(sqlite3.connect(Path(place.data) / FILE, timeout=10)) as file, file:

        async def write(which: int) -> None:
            file.execute(_ROW.format(which))

        yield write
