"""What becomes of old rows: addresses that are cut and months that are pruned leave a chain that still holds."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest

from entrepot.app.audit import Audit
from entrepot.base.clock import now_us
from entrepot.base.settings import Settings
from entrepot.domain.audit.model import Verdict, Wanted
from entrepot.domain.audit.service.upkeep import month_before
from entrepot.platform.db.database import Database
from support.audit import act, everything, keep, restore, script, update, with_audit
from support.parts import sql

pytestmark = pytest.mark.single  # the chain is the database's alone
_OLD_DAYS: Final = 91
_SECOND: Final = "SELECT * FROM kept_audit_event WHERE position = 2"


@pytest.fixture(scope="module")
def written(place: Settings) -> Settings:
    """A place with six rows in the chain: two of a month long over and two of last month, with anchors, and two of now."""

    async def scenario(log: Audit, db: Database) -> None:
        for number in range(3):
            await act(db, f"user{number}", f"another{number}")
            if number < 2:
                began = month_before(now_us(), 8 - 7 * number)
                await script(place, update(f"happened_at = {began}", "position IS NULL"))
            await log.sequencer.catch_up()
            if number < 2:
                await log.anchors.make()
                await sql(place, "UPDATE audit_anchor SET made_at = $1 WHERE position = $2", began + 1, 2 * number + 2)
        await keep(place)

    with_audit(place, scenario)
    return place


@pytest.fixture
def old(written: Settings) -> Iterator[Settings]:
    yield written
    asyncio.run(restore(written))


def test_an_address_is_cut_when_it_is_old_and_the_chain_holds(old: Settings) -> None:
    async def scenario(log: Audit, _db: Database) -> None:
        assert await log.upkeep.cut_addresses(_OLD_DAYS) == 2
        assert await log.upkeep.cut_addresses(_OLD_DAYS) == 0
        events = await everything(log)
        assert [event.shown_address for event in events] == ["192.0.2.77"] * 4 + ["192.0.2.0/24"] * 2
        assert [event.address_salt for event in events[4:]] == [None] * 2, "with it the address could be found by trying"
        assert (await log.checker.check()).bad is None

    with_audit(old, scenario)


@pytest.mark.parametrize(("months", "pruned", "anchored"), [(9, 0, 4), (7, 2, 4), (1, 2, 4), (0, 4, 4)])
def test_months_that_are_over_are_pruned_and_the_chain_holds(old: Settings, months: int, pruned: int, anchored: int) -> None:
    async def scenario(log: Audit, db: Database) -> None:
        assert await log.upkeep.prune(months) == pruned
        assert await log.upkeep.prune(months) == 0
        await act(db, "afterwards")
        await log.sequencer.catch_up()
        verdict = await log.checker.check()
        assert (verdict.first, verdict.anchored, verdict.bad) == (pruned + 1, anchored, None)
        acts = [(event.actor, event.act, event.target) for event in await log.reading.newest(Wanted(act="audit.prune"), 10)]
        assert acts == ([("the hub", "audit.prune", f"rows up to {pruned}")] if pruned else [])

    with_audit(old, scenario)


def test_rows_that_no_anchor_stands_for_stay_however_old_they_are(old: Settings) -> None:
    async def scenario(log: Audit, _db: Database) -> None:
        await script(old, "UPDATE audit_event SET happened_at = 1 WHERE position > 4")
        assert await log.upkeep.prune(0) == 4
        kept = {event.position for event in await everything(log)}
        assert {5, 6} <= kept

    with_audit(old, scenario)


def test_a_beginning_that_was_cut_off_by_hand_is_named(old: Settings) -> None:
    async def scenario(log: Audit, _db: Database) -> tuple[Verdict, Verdict]:
        await script(old, "DELETE FROM audit_event WHERE position <= 2", "UPDATE audit_chain SET floor = 2")
        by_hand = await log.checker.check()
        await script(old, "UPDATE audit_anchor SET floor = token WHERE position = 2")
        return by_hand, await log.checker.check()

    for verdict in with_audit(old, scenario):
        assert (verdict.bad, verdict.anchored) == (1, 0)
        assert "pruned" in verdict.says


def test_after_a_prune_a_changed_row_is_still_named_and_so_is_one_more_that_is_cut_off(old: Settings) -> None:
    async def scenario(log: Audit, _db: Database) -> tuple[Verdict, Verdict]:
        await log.upkeep.prune(7)
        await script(old, "UPDATE audit_event SET actor = 'eve' WHERE position = 5")
        changed = await log.checker.check()
        await script(old, "DELETE FROM audit_event WHERE position = 3")
        return changed, await log.checker.check()

    changed, missing = with_audit(old, scenario)
    assert (changed.bad, changed.anchored) == (5, 4)
    assert (missing.bad, missing.anchored) == (3, 2)


def test_a_prune_that_was_broken_off_breaks_no_chain_and_is_gone_on_with(old: Settings) -> None:
    async def scenario(log: Audit, _db: Database) -> None:
        async def killed() -> None:
            raise InterruptedError

        with pytest.raises(InterruptedError):
            await log.upkeep.prune(7, rest=killed)
        await script(old, "INSERT INTO audit_event " + ("OVERRIDING SYSTEM VALUE " if old.database else "") + _SECOND)
        assert (await log.checker.check()).first == 3
        assert (await log.checker.check()).bad is None
        assert await log.upkeep.prune(7) == 1

    with_audit(old, scenario)
