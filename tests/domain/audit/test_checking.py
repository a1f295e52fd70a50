"""Each kind of tampering is named, with the row where it begins, and with the last row before it that an anchor stands for."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest

from entrepot.app.audit import Audit
from entrepot.base.settings import Settings
from entrepot.domain.audit.chain import linked
from entrepot.domain.audit.model import Verdict
from entrepot.platform.db.database import Database
from support.audit import act, delete, everything, keep, restore, script, update, with_audit
from support.parts import sql

pytestmark = pytest.mark.single  # the chain is the database's alone
_ANCHORED: Final = (3, 5)
_LAST: Final = 8
_ALL: Final = "happened_at, actor, credential, os_user, network, address_mark, act, namespace, target, outcome, details, digest"


@pytest.fixture(scope="module")
def written(place: Settings) -> Settings:
    """A place with eight rows in the chain, and anchors of the third and the fifth."""

    async def scenario(log: Audit, db: Database) -> None:
        for number in range(1, _LAST + 1):
            await act(db, f"user{number}")
            await log.sequencer.catch_up()
            if number in _ANCHORED:
                assert await log.anchors.make()
                assert not await log.anchors.make(), "there is one of that row"
        await keep(place)

    with_audit(place, scenario)
    return place


@pytest.fixture
def intact(written: Settings) -> Iterator[Settings]:
    """The place, with its chain whole before the test and after it."""
    yield written
    asyncio.run(restore(written))


def look(place: Settings) -> Verdict:
    return with_audit(place, lambda log, _db: log.checker.check())


def tamper(place: Settings, *statements: str) -> Verdict:
    asyncio.run(script(place, *statements))
    return look(place)


def test_a_chain_that_nobody_touched_holds(intact: Settings) -> None:
    assert look(intact) == Verdict(first=1, last=_LAST, anchored=5, waiting=0)


@pytest.mark.parametrize(
    ("change", "row", "anchored"),
    [
        ("target = 'eve'", 1, 0),
        ("actor = 'eve'", 4, 3),
        ("network = '10.0.0.0/24'", 6, 5),
        ("digest = address_mark", 8, 5),
        ("address = '192.0.2.78'", 7, 5),
        ("address_salt = NULL", 2, 0),
    ],
)
def test_a_changed_row_is_named(intact: Settings, change: str, row: int, anchored: int) -> None:
    verdict = tamper(intact, update(change, f"position = {row}"))
    assert (verdict.bad, verdict.anchored) == (row, anchored)
    assert "changed" in verdict.says


@pytest.mark.parametrize(("row", "anchored"), [(1, 0), (5, 3), (7, 5)])
def test_a_deleted_row_is_named(intact: Settings, row: int, anchored: int) -> None:
    verdict = tamper(intact, delete(f"position = {row}"))
    assert (verdict.bad, verdict.anchored, verdict.says) == (row, anchored, "it is missing")


def test_an_inserted_row_is_named(intact: Settings) -> None:
    moves = [update(f"position = {row + 1}", f"position = {row}") for row in range(_LAST, 3, -1)]
    verdict = tamper(
        intact,
        *moves,
        f"INSERT INTO audit_event ({_ALL}, position) SELECT {_ALL}, 4 FROM audit_event WHERE position = 5",  # noqa: S608
        update("target = 'eve'", "position = 4"),
    )
    assert (verdict.bad, verdict.anchored) == (4, 3)


def test_a_row_behind_the_end_is_named(intact: Settings) -> None:
    async def forge(log: Audit, db: Database) -> None:
        await act(db, "eve")
        forged, last = (await everything(log))[:2]
        digest = linked(last.digest or b"", _LAST + 1, forged)
        await sql(intact, "UPDATE audit_event SET position = $1, digest = $2 WHERE position IS NULL", _LAST + 1, digest)

    with_audit(intact, forge)
    verdict = look(intact)
    assert (verdict.bad, verdict.anchored) == (_LAST + 1, 5)


def test_of_swapped_rows_the_first_is_named(intact: Settings) -> None:
    swaps = [update(f"position = {after}", f"position = {row}") for row, after in ((4, 99), (6, 4), (99, 6))]
    verdict = tamper(intact, *swaps)
    assert (verdict.bad, verdict.anchored) == (4, 3)


@pytest.mark.parametrize(("left", "anchored"), [(7, 5), (4, 3), (0, 0)])
def test_an_end_that_was_cut_off_is_named(intact: Settings, left: int, anchored: int) -> None:
    verdict = tamper(intact, delete(f"position > {left}"))
    assert (verdict.bad, verdict.anchored) == (left + 1, anchored)


def test_an_end_that_was_cut_off_behind_an_anchor_is_named_also_when_the_note_of_the_end_was_changed(intact: Settings) -> None:
    verdict = tamper(
        intact,
        "DELETE FROM audit_event WHERE position > 4",
        "UPDATE audit_chain SET position = 4, digest = (SELECT digest FROM audit_event WHERE position = 4)",
    )
    assert (verdict.bad, verdict.anchored) == (5, 3)


def test_a_chain_that_was_made_anew_is_named_by_its_next_anchor(intact: Settings) -> None:
    async def forge(log: Audit, _db: Database) -> None:
        await sql(intact, "UPDATE audit_event SET actor = 'eve' WHERE position = 4")
        events = {event.position: event for event in await everything(log)}
        digest = events[3].digest or b""
        for position in range(4, _LAST + 1):
            digest = linked(digest, position, events[position])
            await sql(intact, "UPDATE audit_event SET digest = $1 WHERE position = $2", digest, position)
        await sql(intact, "UPDATE audit_chain SET digest = $1", digest)

    with_audit(intact, forge)
    verdict = look(intact)
    assert (verdict.bad, verdict.anchored) == (5, 3)
    assert "made anew" in verdict.says


_ANCHOR_CHANGES: Final = {
    "deleted": ("DELETE FROM audit_anchor WHERE position = 3", 3),
    "of another row": ("UPDATE audit_anchor SET position = 6 WHERE position = 5", 6),
    "not signed": ("UPDATE audit_anchor SET token = 'x' WHERE position = 5", 5),
    "of another digest": (
        "UPDATE audit_anchor SET digest = (SELECT digest FROM audit_event WHERE position = 4) WHERE position = 3",
        3,
    ),
}


@pytest.mark.parametrize("change", _ANCHOR_CHANGES)
def test_an_anchor_that_was_changed_or_taken_away_is_named(intact: Settings, change: str) -> None:
    statement, row = _ANCHOR_CHANGES[change]
    verdict = tamper(intact, statement)
    assert verdict.bad == row
    assert "anchor" in verdict.says


def test_the_note_of_the_end_is_looked_at_too(intact: Settings) -> None:
    assert tamper(intact, "UPDATE audit_chain SET floor = 3").bad == 1
    assert tamper(intact, "UPDATE audit_chain SET floor = 0, position = 7").bad == 7


def test_the_chain_goes_on_when_the_note_of_its_end_was_deleted(intact: Settings) -> None:
    async def scenario(log: Audit, db: Database) -> Verdict:
        await sql(intact, "DELETE FROM audit_chain")
        await act(db, "next")
        await log.sequencer.catch_up()
        return await log.checker.check()

    assert with_audit(intact, scenario).last == _LAST + 1
