"""Statements about reports."""

from typing import Final

from sqlalchemy import bindparam, func, insert, null, select, update

from entrepot.domain.catalogue.model import Reason, Report, ReportState
from entrepot.domain.catalogue.tables import report
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Row, Statement

_OPEN: Final = ReportState.OPEN.value
_SEEN: Final = select(
    report.c.id,
    report.c.repository,
    report.c.reason,
    report.c.words,
    report.c.reporter,
    report.c.network,
    report.c.state,
    report.c.note,
    report.c.made_at,
    report.c.decided_by,
    report.c.decided_at,
)
_ADD: Final = Statement(
    insert(report).values(
        repository=bindparam("repository"),
        reason=bindparam("reason"),
        words=bindparam("words"),
        reporter=bindparam("reporter"),
        network=bindparam("network"),
        state=bindparam("state"),
        note="",
        made_at=now_us(),
        decided_by="",
        decided_at=null(),
    )
)
_SAME: Final = Statement(
    select(report.c.id)
    .where(
        report.c.state == bindparam("state"),
        report.c.repository == bindparam("repository"),
        report.c.reporter == bindparam("reporter"),
        report.c.network == bindparam("network"),
    )
    .limit(1)
)
_ONE: Final = Statement(_SEEN.where(report.c.id == bindparam("id")))
_PART: Final = Statement(
    _SEEN.where(report.c.state == bindparam("state"), report.c.id < bindparam("before"))
    .order_by(report.c.id.desc())
    .limit(bindparam("limit"))
)
_COUNT: Final = Statement(
    select(func.count()).select_from(
        select(report.c.id).where(report.c.state == bindparam("state")).limit(bindparam("most")).subquery()
    )
)
_DECIDE: Final = Statement(
    update(report)
    .where(report.c.id == bindparam("id_"), report.c.state != bindparam("state_"))
    .values(state=bindparam("state_"), note=bindparam("note_"), decided_by=bindparam("by_"), decided_at=now_us())
)


async def add(tx: Transaction, repository: str, said: tuple[Reason, str], reporter: str, network: str) -> None:
    """Add a report: why, and in which words."""
    reason, words = said
    about = {"repository": repository, "reporter": reporter, "network": network}
    await tx.run(_ADD, reason=reason.value, words=words, state=_OPEN, **about)


async def is_said(db: Reader, repository: str, reporter: str, network: str) -> bool:
    """Tell whether the same was reported from there, and nobody has decided yet."""
    return await db.one(_SAME, state=_OPEN, repository=repository, reporter=reporter, network=network) is not None


async def one(db: Reader, id_: int) -> Report | None:
    """Return a report."""
    row = await db.one(_ONE, id=id_)
    return _report(row) if row else None


async def part(db: Reader, state: ReportState, before: int, limit: int) -> list[Report]:
    """Return reports in a state whose ids are below `before`, the newest first, at most `limit`."""
    return [_report(row) for row in await db.all(_PART, state=state.value, before=before, limit=limit)]


async def count(db: Reader, state: ReportState, most: int) -> int:
    """Return how many reports are in a state; no more than `most` are counted."""
    row = await db.one(_COUNT, state=state.value, most=most)
    return row[0] if row else 0


async def decide(tx: Transaction, id_: int, state: ReportState, note: str, by: str) -> bool:
    """Write down what was decided; False when that is the case already, or there is no such report."""
    return await tx.run(_DECIDE, id_=id_, state_=state.value, note_=note, by_=by) > 0


def _report(row: Row) -> Report:
    id_, repository, reason, words, reporter, network, state, *rest = row
    return Report(id_, repository, Reason(reason), words, reporter, network, ReportState(state), *rest)
