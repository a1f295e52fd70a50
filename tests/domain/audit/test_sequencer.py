"""The sequencer: every row gets one place, in whatever order transactions commit and however many processes work."""

import asyncio

import pytest

from conftest import new_database
from entrepot.app.audit import Audit, audit
from entrepot.base.settings import Settings
from entrepot.domain.access.service.modes import Modes
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from support.audit import ANN, act, everything, with_audit
from support.parts import opened, prepared

pytestmark = pytest.mark.single  # the chain is the database's alone


@pytest.fixture
def place(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return prepared(tmp_path_factory.mktemp("place"), new_database(profile, request))


def test_rows_stand_in_the_chain_in_the_order_of_their_commits_and_none_is_left_out(place: Settings) -> None:
    async def scenario(log: Audit, db: Database) -> None:
        assert await log.sequencer.catch_up() == 0
        await act(db, "one", "two")
        assert [event.position for event in await everything(log)] == [None, None]
        assert (await log.checker.check()).waiting == 2
        assert await log.sequencer.catch_up() == 2
        async with opened(place) as other:
            several = [audit(each, place).sequencer for each in (db, other, db, other)]
            for number in range(30):
                await asyncio.gather(
                    act(db, f"left{number}"), act(other, f"right{number}"), *(each.catch_up() for each in several)
                )
            await several[0].catch_up()
        events = await everything(log)
        assert sorted(event.position or 0 for event in events) == list(range(1, 63))
        assert [event.target for event in events if event.position in (1, 2)] == ["two", "one"]
        verdict = await log.checker.check()
        assert (verdict.first, verdict.last, verdict.waiting, verdict.bad) == (1, 62, 0, None)

    with_audit(place, scenario)


def test_a_row_that_is_committed_behind_rows_with_higher_numbers_is_not_lost(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = prepared(tmp_path_factory.mktemp("place"), new_database("postgresql", request))

    async def scenario(log: Audit, db: Database) -> None:
        # On SQLite a second transaction waits for the first one, so that this cannot be.
        written, goes_on = asyncio.Event(), asyncio.Event()

        async def early(tx: Transaction) -> None:
            await record(tx, ANN, done(Act.USER_ADD, "early"))
            written.set()
            await goes_on.wait()

        late = asyncio.create_task(db.write(early))
        await written.wait()
        await act(db, "later")
        assert await log.sequencer.catch_up() == 1
        goes_on.set()
        await late
        assert await log.sequencer.catch_up() == 1
        events = await everything(log)
        assert {event.target: (event.id, event.position) for event in events} == {"early": (1, 2), "later": (2, 1)}
        assert (await log.checker.check()).bad is None

    with_audit(place, scenario)


def test_an_act_that_is_undone_leaves_no_row(place: Settings) -> None:
    async def scenario(log: Audit, db: Database) -> None:
        async def fails(tx: Transaction) -> None:
            await record(tx, ANN, done(Act.USER_ADD, "nobody"))
            raise LookupError

        with pytest.raises(LookupError):
            await db.write(fails)
        await act(db, "somebody")
        await log.sequencer.catch_up()
        assert [(event.target, event.position) for event in await everything(log)] == [("somebody", 1)]

    with_audit(place, scenario)


def test_while_the_registry_is_read_only_nothing_is_written_and_the_chain_goes_on_afterwards(place: Settings) -> None:
    async def scenario(log: Audit, db: Database) -> None:
        running = asyncio.create_task(log.sequencer.run())
        await Modes(db).change(read_only=True, reason="a copy is made")
        await act(db, "one")
        await asyncio.sleep(0.7)
        waiting = (await log.checker.check()).waiting
        await Modes(db).change(read_only=False)
        await asyncio.sleep(1.0)
        running.cancel()
        assert await log.sequencer.catch_up() == 0, "within a second"
        assert waiting >= 1, "what was recorded before the mode may have been chained by then"
        acts = [(event.act, event.details) for event in await everything(log)]
        assert acts[0] == ("mode.change", '{"mode":"normal"}')
        assert acts[2] == ("mode.change", '{"mode":"read-only","reason":"a copy is made"}')

    with_audit(place, scenario)
