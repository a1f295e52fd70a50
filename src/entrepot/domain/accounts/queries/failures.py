"""Statements about sign-ins that failed. A subject is a text: a name from an address, a name, or an address."""

from typing import Final

from sqlalchemy import bindparam, case, delete, literal, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.tables import failed_login
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement

_OPEN: Final = failed_login.c.since > now_us() - bindparam("window_us")
_COUNTS: Final = ListStatement(
    lambda values: select(
        failed_login.c.subject,
        failed_login.c.failures,
        failed_login.c.since,
        now_us(),
    ).where(failed_login.c.subject.in_(values), _OPEN)
)
_ADD: Final = Statement(
    insert_or_replace(failed_login)
    .values(subject=bindparam("subject"), failures=1, since=now_us(), last_at=now_us())
    .on_conflict_do_update(
        index_elements=[failed_login.c.subject],
        set_={
            "failures": case((_OPEN, failed_login.c.failures + 1), else_=1),
            "since": case((_OPEN, failed_login.c.since), else_=now_us()),
            "last_at": now_us(),
        },
    )
)
_TAKE_BACK: Final = Statement(
    update(failed_login)
    .where(failed_login.c.subject == bindparam("subject_"), failed_login.c.failures > literal(0))
    .values(failures=failed_login.c.failures - 1)
)
_FORGET: Final = Statement(delete(failed_login).where(failed_login.c.subject == bindparam("subject_")))
_PRUNE: Final = Statement(delete(failed_login).where(failed_login.c.last_at < now_us() - bindparam("window_us")))


async def counts(db: Reader, subjects: list[str], window_us: int) -> dict[str, tuple[int, int]]:
    """Return for each subject how often it failed in its window, and how many microseconds of that are left."""
    return {row[0]: (row[1], row[2] + window_us - row[3]) for row in await db.all_of(_COUNTS, subjects, window_us=window_us)}


async def add(tx: Transaction, subject: str, window_us: int) -> None:
    """Count a failure; a window begins with the first one after the last window has ended."""
    await tx.run(_ADD, subject=subject, window_us=window_us)


async def take_back(tx: Transaction, subject: str) -> None:
    """Count one failure less."""
    await tx.run(_TAKE_BACK, subject_=subject)


async def forget(tx: Transaction, subject: str) -> None:
    """Forget the failures of a subject."""
    await tx.run(_FORGET, subject_=subject)


async def prune(tx: Transaction, window_us: int) -> int:
    """Delete what no window counts any more."""
    return await tx.run(_PRUNE, window_us=window_us)
