"""The fence between a change of the mode and the transactions of clients, on connections as other nodes have them."""

import asyncio

import pytest

from conftest import new_database
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import ANYONE, Mode
from entrepot.domain.access.service.modes import Guarded, Modes
from entrepot.domain.registry.service.collection import Collector
from entrepot.platform.db.database import Transaction
from entrepot.spec.oci.names import RepositoryName
from support.parts import opened, parts, prepared, push_blob, sql
from support.shelf import adding, everything, growing, make_shelf

_SOON_S = 0.3
TEAM = RepositoryName.parse("team/one")


@pytest.fixture
def place(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return prepared(tmp_path_factory.mktemp("place"), new_database(profile, request))


@pytest.fixture
def on_postgresql(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return prepared(tmp_path_factory.mktemp("place"), new_database("postgresql", request))


def test_without_a_change_the_mode_is_normal(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await Modes(db).current() == Mode()
            assert await Guarded(db).write(adding("one")) == 1

    asyncio.run(scenario())


def test_another_node_refuses_as_soon_as_the_change_returns(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as one, opened(place) as two:
            guarded = Guarded(two)
            await guarded.write(adding("shared"))
            for number in range(1, 6):
                changed = await Modes(one).change(read_only=True, reason="because")
                with pytest.raises(RegistryReadOnly, match=r"read-only at the moment \(because\)"):
                    await guarded.write(growing("shared"))
                assert await Modes(two).current() == changed
                await Modes(one).change(read_only=False)
                await guarded.write(growing("shared"))
                assert await two.read(everything) == {"shared": number}

    asyncio.run(scenario())


def test_many_writers_commit_nothing_after_the_change_returned(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as one, opened(place) as two, opened(place) as three:
            await one.write(adding("shared"))
            refused = 0

            async def push(guarded: Guarded) -> None:
                nonlocal refused
                while refused < 100:
                    try:
                        await guarded.write(growing("shared"))
                    except RegistryReadOnly:
                        refused += 1

            pushing = [asyncio.create_task(push(Guarded(db))) for db in (one, two, three) for _ in range(4)]
            await asyncio.sleep(_SOON_S)
            # Writers who come one after another without a gap do not keep it waiting for ever.
            async with asyncio.timeout(5):
                await Modes(one).change(read_only=True)
            at_once = await three.read(everything)
            await asyncio.gather(*pushing)
            assert at_once["shared"] > 0
            assert await three.read(everything) == at_once

    asyncio.run(scenario())


def test_the_change_waits_for_a_transaction_that_has_begun_and_later_ones_for_it(on_postgresql: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(on_postgresql)
        async with opened(on_postgresql) as one, opened(on_postgresql) as two:
            await one.write(adding("shared"))
            begun, may_end = asyncio.Event(), asyncio.Event()

            async def slow(tx: Transaction) -> None:
                begun.set()
                await may_end.wait()
                await growing("shared")(tx)

            running = asyncio.create_task(Guarded(two).write(slow))
            await begun.wait()
            change = asyncio.create_task(Modes(one).change(read_only=True))
            await asyncio.sleep(_SOON_S)
            later = asyncio.create_task(Guarded(two).write(growing("shared")))
            await asyncio.sleep(_SOON_S)
            assert not change.done()
            assert not later.done()
            async with asyncio.timeout(2):  # who only reads waits for nobody, a dump neither
                assert not (await Modes(two).current()).read_only
            may_end.set()
            await running
            assert (await change).read_only
            with pytest.raises(RegistryReadOnly):
                await later
            assert [row[0] for row in await sql(on_postgresql, "SELECT held FROM shelf")] == [1]

    asyncio.run(scenario())


def test_what_was_told_of_while_it_was_read_only_is_kept_for_the_grace_time_after(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            digest = await push_blob(whole, TEAM.stored, b"told of")
            collector = Collector(whole.db, whole.storage, whole.registry.blobs, gc_grace_s=3600)
            await whole.modes.change(read_only=True)
            await sql(place, "UPDATE repository_blob SET touched_at = 1")
            await sql(place, "UPDATE repository SET uploaded_at = 1")
            await whole.registry.blobs.check(ANYONE, TEAM, digest)
            assert (await collector.take_links((0, 0))).taken == 0
            await whole.modes.change(read_only=False)
            assert (await collector.take_links((0, 0))).taken == 0
            await sql(place, "UPDATE service_mode SET changed_at = 1")
            assert (await collector.take_links((0, 0))).taken == 1

    asyncio.run(scenario())
