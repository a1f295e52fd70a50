"""Statements about the store that this registry's blobs lie in."""

from typing import Final

from sqlalchemy import bindparam, literal, select

from entrepot.domain.registry.tables import store_mark
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement

_NAME: Final = "blobs"
_IDENTITY: Final = Statement(select(store_mark.c.identity).where(store_mark.c.name == literal(_NAME)))
_NOTE: Final = Statement(
    insert_unless_there(store_mark, [store_mark.c.name], name=literal(_NAME), identity=bindparam("identity"), noted_at=now_us())
)


async def identity(db: Reader) -> str | None:
    """Return by what mark this registry knows its bucket; None before its first start with one."""
    row = await db.one(_IDENTITY)
    return None if row is None else str(row[0])


async def note(tx: Transaction, identity_: str) -> None:
    """Note the mark, unless there is one."""
    await tx.run(_NOTE, identity=identity_)
