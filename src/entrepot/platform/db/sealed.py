"""Going through all columns that hold envelopes, whatever feature's they are, so that a change of the master key forgets none.

What an envelope is, only its first bytes, its head, tell here: they are the same for all that one key sealed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Integer, LargeBinary, MetaData, bindparam, func, select, update

from entrepot.platform.db.columns import SEALED
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.db.statements import Row, Statement, Value

_BATCH: Final = 100
_BEFORE_ALL_NUMBERS: Final = -(1 << 63)

Anew = Callable[[bytes, str], bytes | None]


class SealedColumn:
    """One of them, with what is asked of it; `head_bytes` is how long a head is."""

    def __init__(self, column: Column[Any], head_bytes: int) -> None:
        (key,) = column.table.primary_key.columns
        head = func.substr(column, 1, head_bytes, type_=LargeBinary)
        self.name: Final = f"{column.table.name}.{column.name}"
        self.before_all: Final[Value] = _BEFORE_ALL_NUMBERS if isinstance(key.type, Integer) else ""
        self._purpose: Final = str(column.info[SEALED])
        self._heads = Statement(select(head, func.count()).where(column.is_not(None)).group_by(head))
        self._stale = Statement(
            select(key, column)
            .where(key > bindparam("after", type_=key.type), head != bindparam("head", type_=LargeBinary))
            .order_by(key)
            .limit(_BATCH)
        )
        self._replace = Statement(
            update(column.table)
            .where(key == bindparam("row", type_=key.type), column == bindparam("old", type_=LargeBinary))
            .values({column.name: bindparam("new", type_=LargeBinary)})
        )

    def purpose(self, row: int | str) -> str:
        """Say what the secret in a row is for."""
        return f"{self._purpose} {row}"

    async def heads(self, db: Reader) -> Sequence[Row]:
        """Return each head that there is, and how many envelopes have it."""
        return await db.all(self._heads)

    async def stale(self, db: Reader, head: bytes, after: Value) -> Sequence[Row]:
        """Return key and envelope of the next rows that have another head."""
        return await db.all(self._stale, head=head, after=after)

    async def replace(self, tx: Transaction, rows: list[tuple[Value, bytes, bytes]]) -> int:
        """Replace envelopes, except those that somebody else has replaced meanwhile; return how many."""
        return sum([await tx.run(self._replace, row=row, old=old, new=new) for row, old, new in rows])


def sealed_columns(tables: Iterable[MetaData], head_bytes: int) -> list[SealedColumn]:
    """Find all columns that were made by `columns.sealed`."""
    return [SealedColumn(column, head_bytes) for column in _columns(tables) if SEALED in column.info]


def _columns(tables: Iterable[MetaData]) -> Iterator[Column[Any]]:
    for each in tables:
        for table in each.sorted_tables:
            yield from table.columns


async def count_heads(db: Database, columns: Iterable[SealedColumn]) -> dict[bytes, int]:
    """Return how many envelopes each head has, in all columns together."""
    counts: dict[bytes, int] = {}
    for column in columns:
        for head, count in await db.read(column.heads):
            counts[bytes(head)] = counts.get(bytes(head), 0) + count
    return counts


async def seal_anew(db: Database, column: SealedColumn, head: bytes, anew: Anew) -> int:
    """Replace each envelope that has another head by what `anew` makes of it and its purpose, unless that is None.

    It goes in small transactions, beside everything else, and can be broken off anywhere and begun again.
    """
    count, after = 0, column.before_all
    while rows := await db.read(column.stale, head, after):
        made = [(row, bytes(old), anew(bytes(old), column.purpose(row))) for row, old in rows]
        replaced = [(row, old, new) for row, old, new in made if new is not None]
        count += await db.write(partial(column.replace, rows=replaced))
        after = rows[-1][0]
    return count
