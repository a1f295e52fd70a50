"""Statements about the mode of the registry, and the fence between its change and the transactions of clients.

On PostgreSQL the fence is a lock on the table. `read_only` takes the one of FOR SHARE, which many hold at a time, until its
transaction ends; it locks no row, because in the normal mode it finds none. `change` waits for all who hold it, keeps out those
who come later, and lets mere readers (a dump too) pass. Who waited reads what was committed meanwhile, because PostgreSQL
takes the snapshot of a statement after its locks. On SQLite transactions that write do not overlap at all.
"""

from typing import Final

from sqlalchemy import bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import insert as insert_unless_there

from entrepot.domain.access.model import Mode
from entrepot.domain.access.tables import service_mode
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.fences import exclusively
from entrepot.platform.db.statements import Statement

_REGISTRY: Final = "registry"
_COLUMNS: Final = (service_mode.c.read_only, service_mode.c.reason, service_mode.c.changed_at)
_OURS: Final = service_mode.c.name == literal(_REGISTRY)
_CURRENT: Final = Statement(select(*_COLUMNS).where(_OURS))
_READ_ONLY: Final = Statement(select(*_COLUMNS).where(_OURS, service_mode.c.read_only == 1).with_for_update(read=True))
_IS_RECENT: Final = Statement(
    select(service_mode.c.name).where(_OURS, service_mode.c.changed_at > now_us() - bindparam("within_us"))
)
_ALONE: Final = Statement(exclusively(service_mode))
_ADD: Final = Statement(
    insert_unless_there(service_mode)
    .values(name=literal(_REGISTRY), read_only=literal(0), reason=literal(""), changed_at=literal(0))
    .on_conflict_do_nothing()
)
_CHANGE: Final = Statement(
    update(service_mode)
    .where(_OURS)
    .values(read_only=bindparam("is_read_only"), reason=bindparam("why"), changed_at=now_us())
    .returning(*_COLUMNS)
)


async def current(db: Reader) -> Mode:
    """Return the mode in force."""
    row = await db.one(_CURRENT)
    return Mode(read_only=bool(row[0]), reason=row[1], changed_at=row[2]) if row else Mode()


async def read_only(tx: Reader) -> Mode | None:
    """Return the mode when nothing may be changed, else None, and then it stays so until the transaction ends."""
    row = await tx.one(_READ_ONLY)
    return Mode(read_only=True, reason=row[1], changed_at=row[2]) if row else None


async def changed_within(db: Reader, within_us: int) -> bool:
    """Tell whether the mode was changed in the last `within_us` microseconds."""
    return await db.one(_IS_RECENT, within_us=within_us) is not None


async def change(tx: Transaction, *, is_read_only: bool, reason: str) -> Mode:
    """Change the mode, when the transactions of clients that run have ended; those that come later wait until it is changed."""
    await tx.one(_ALONE)
    await tx.run(_ADD)
    row = await tx.one(_CHANGE, is_read_only=int(is_read_only), why=reason)
    if row is None:
        raise AssertionError("a row that was inserted is not there")
    return Mode(read_only=bool(row[0]), reason=row[1], changed_at=row[2])
