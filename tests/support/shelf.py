"""A table of the tests' own, and bodies that write to it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, Table, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from entrepot.base.settings import Settings
from entrepot.platform.db.columns import exact
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement
from support.parts import sql

SHELF: Final = Table("shelf", MetaData(), exact("name", primary_key=True), Column("held", BigInteger, nullable=False))
ADD: Final = Statement(insert(SHELF).values(name=bindparam("name"), held=bindparam("held")))
HELD: Final = Statement(select(SHELF.c.held).where(SHELF.c.name == bindparam("name")))
ALL: Final = Statement(select(SHELF.c.name, SHELF.c.held).order_by(SHELF.c.name))
SOME: Final = ListStatement(lambda values: select(SHELF.c.name).where(SHELF.c.name.in_(values)))
GROW: Final = Statement(update(SHELF).where(SHELF.c.name == bindparam("name_")).values(held=SHELF.c.held + 1))


async def make_shelf(place: Settings) -> None:
    """Make the table."""
    await sql(place, "CREATE TABLE shelf (name TEXT PRIMARY KEY, held BIGINT NOT NULL)")


async def everything(db: Reader) -> dict[str, int]:
    """Return all rows."""
    return {row[0]: row[1] for row in await db.all(ALL)}


def adding(name: str, held: int = 0) -> Callable[[Transaction], Awaitable[int]]:
    """Return a body that adds a row."""

    async def add(tx: Transaction) -> int:
        return await tx.run(ADD, name=name, held=held)

    return add


def growing(name: str) -> Callable[[Transaction], Awaitable[int]]:
    """Return a body that adds one to a row."""

    async def grow(tx: Transaction) -> int:
        return await tx.run(GROW, name_=name)

    return grow
