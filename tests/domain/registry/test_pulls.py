"""Counts of pulls: sums of many processes, kept while nothing can be written, and forgotten when they are old."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.service.pulls import PullCounts, pause_s
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob, sql

ANN = Actor("ann", account=7)
ROBOT = Actor("acme+ci", credential="11", owner="acme")


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


async def pushed(whole: Parts, name: str) -> RepositoryName:
    image = manifests.image(await push_blob(whole, name, b"{}"), await push_blob(whole, name, name.encode()))
    repository = RepositoryName.parse(name)
    await whole.registry.manifests.push(ANYONE, repository, image, None, ["v1"])
    return repository


async def told(whole: Parts, name: RepositoryName) -> Listed:
    return await whole.registry.listing.one(ANYONE, name)


def test_sums_of_several_processes_are_added_and_follow_a_rename(place: Settings, numbers: Iterator[int]) -> None:
    ann, owner = Actor(f"ann{next(numbers)}", account=7), f"acme{next(numbers)}"

    async def scenario() -> None:
        async with parts(place) as whole:
            name = await pushed(whole, f"pulls/app{next(numbers)}")
            assert (await told(whole, name)).pulled_at is None
            several = [PullCounts(whole.db) for _ in range(4)]
            for each in several:
                for _ in range(25):
                    each.note(ann, name.stored, "192.0.2.1")
                    each.note(Actor(f"{owner}+ci", credential="11", owner=owner), name.stored, "192.0.2.2")
                    each.note(ANYONE, name.stored, "192.0.2.3")
                each.note(ann, "pulls/none", "192.0.2.1")
            await asyncio.gather(*(each.flush() for each in several))
            await several[0].flush()
            found = await told(whole, name)
            assert (found.pulls, found.pulled_at is not None) == (300, True)
            recent = await whole.registry.pulls.recent(ann.name, 10)
            assert sum(each.pulls for each in recent) == 104
            assert {(each.repository, each.source, each.credential) for each in recent} == {
                (name.stored, "192.0.2.1", ""),
                ("pulls/none", "192.0.2.1", ""),
            }
            assert all(each.began_at % 300_000_000 == 0 for each in recent)
            assert {each.credential for each in await whole.registry.pulls.recent(owner, 10)} == {"11"}
            moved = RepositoryName.parse(f"{name.stored}-moved")
            await whole.registry.repositories.rename(ANYONE, name, moved)
            several[0].note(ANYONE, moved.stored, "192.0.2.3")
            await several[0].flush()
            assert (await told(whole, moved)).pulls == 301
            for each in several:
                await each.close()
            whole.registry.pulls.note(ann, moved.stored, "192.0.2.1")
            await asyncio.gather(whole.registry.pulls.flush(), asyncio.sleep(0))
            assert (await told(whole, moved)).pulls == 302

    asyncio.run(scenario())


def test_a_deleted_repository_takes_its_count_with_it(place: Settings, numbers: Iterator[int]) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            name = await pushed(whole, f"pulls/gone{next(numbers)}")
            whole.registry.pulls.note(ANYONE, name.stored, "192.0.2.1")
            await whole.registry.pulls.flush()
            ((id_,),) = await sql(place, "SELECT id FROM repository WHERE name = $1", name.stored)
            await whole.registry.repositories.delete(ANYONE, name)
            while await whole.registry.collector.empty(id_):
                pass
            assert await sql(place, "SELECT pulls FROM pull_total WHERE repository = $1", id_) == []
            assert await sql(place, "SELECT name FROM repository WHERE id = $1", id_) == []

    asyncio.run(scenario())


def test_counts_wait_while_the_registry_is_read_only_and_are_written_at_the_end(place: Settings, numbers: Iterator[int]) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            name = await pushed(whole, f"pulls/waits{next(numbers)}")
            await whole.modes.change(read_only=True, reason="moving")
            try:
                whole.registry.pulls.note(ANYONE, name.stored, "192.0.2.1")
                with pytest.raises(RegistryReadOnly):
                    await whole.registry.pulls.flush()
                whole.registry.pulls.note(ANYONE, name.stored, "192.0.2.1")
            finally:
                await whole.modes.change(read_only=False)
            assert (await told(whole, name)).pulls == 0
        async with parts(place) as whole:
            assert (await told(whole, name)).pulls == 2

    asyncio.run(scenario())


def test_pulls_are_written_by_themselves(place: Settings, numbers: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.domain.registry.service.pulls._EVERY_S", 0.05)

    async def scenario() -> None:
        async with parts(place) as whole:
            name = await pushed(whole, f"pulls/itself{next(numbers)}")
            for total in (1, 2):
                whole.registry.pulls.note(ANYONE, name.stored, "192.0.2.1")
                while (await told(whole, name)).pulls < total:
                    await whole.db.changed(0.02)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_old_pulls_are_forgotten_and_the_sum_stays(place: Settings, numbers: Iterator[int]) -> None:
    owner = f"eve{next(numbers)}"

    async def scenario() -> None:
        async with parts(place) as whole:
            name = await pushed(whole, f"pulls/old{next(numbers)}")
            pulls = whole.registry.pulls
            for _ in range(2):
                pulls.note(Actor(owner, account=9), name.stored, "192.0.2.1")
                await pulls.flush()
                await sql(place, "UPDATE recent_pull SET began_at = began_at - 25000000000 WHERE owner = $1", owner)
                assert await pulls.recent(owner, 10) == []
            assert await pulls.forget() == 2
            assert (await told(whole, name)).pulls == 2

    asyncio.run(scenario())


def test_there_is_an_end_to_what_is_remembered(monkeypatch: pytest.MonkeyPatch, place: Settings) -> None:
    monkeypatch.setattr("entrepot.domain.registry.service.pulls._MOST", 3)

    async def scenario() -> None:
        async with parts(place) as whole:
            counts = PullCounts(whole.db)
            for number in range(5):
                counts.note(ANN, f"pulls/{number}", "192.0.2.1")
                counts.note(ROBOT, "pulls/0", "192.0.2.1")
            assert (len(counts._totals), len(counts._recent), counts._totals["pulls/0"]) == (3, 3, 6)
            await counts.close()

    asyncio.run(scenario())


@pytest.mark.fast
@pytest.mark.single
@pytest.mark.parametrize(("took_s", "then_s"), [(0.0, 5.0), (0.1, 5.0), (0.5, 20.0), (30.0, 60.0)])
def test_writing_takes_a_small_part_of_the_time(took_s: float, then_s: float) -> None:
    assert pause_s(took_s) == then_s
