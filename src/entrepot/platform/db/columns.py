"""Column types that mean the same on both databases: text is compared byte by byte, times are integers, JSON is text."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

# Under a language's collation PostgreSQL would order and compare names otherwise than SQLite and the specification do.
EXACT_TEXT: TypeEngine[str] = Text().with_variant(TEXT(collation="C"), "postgresql")
BIG: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")


def key(name: str = "id") -> Column[int]:
    """Return a primary key that the database numbers upwards."""
    return Column(name, BIG, Identity(), primary_key=True)


def exact(name: str, *, nullable: bool = False, unique: bool | None = None, primary_key: bool = False) -> Column[str]:
    """Return a text column that is compared byte by byte."""
    return Column(name, EXACT_TEXT, nullable=nullable, unique=unique, primary_key=primary_key)


def number(name: str, *foreign: ForeignKey, primary_key: bool = False) -> Column[int]:
    """Return a 64-bit integer column: a size in bytes, a reference to a row, a boolean as 0 or 1."""
    return Column(name, BIG, *foreign, nullable=False, primary_key=primary_key, autoincrement=False)


def instant(name: str, *, nullable: bool = False) -> Column[int]:
    """Return a column for a time: microseconds since 1970 UTC."""
    return Column(name, BIG, nullable=nullable)


def content(name: str, *, nullable: bool = False) -> Column[bytes]:
    """Return a column for bytes."""
    return Column(name, LargeBinary, nullable=nullable)


QUIET: Final = "quiet"
# Of a table that no recalled query reads (`Database.recall`), however often it is written: what was recalled still holds then.
UNRECALLED: Final = {QUIET: True}
SEALED: Final = "sealed for"


def sealed(name: str, purpose: str, *, nullable: bool = False) -> Column[bytes]:
    """Return a column for envelopes (`platform/secrets`): each is sealed for `purpose` and its row's key, such as `webhook 17`.

    A change of the master key finds the column by itself (`platform/db/sealed.py`); its table has a key of one column.
    """
    return Column(name, LargeBinary, nullable=nullable, info={SEALED: purpose})


class now_us(FunctionElement[int]):  # noqa: N801 - written like the SQL functions of SQLAlchemy
    """The database's own time in microseconds since 1970 UTC: nodes whose clocks differ agree on it."""

    type = BIG
    inherit_cache = True


@compiles(now_us, "sqlite")
def _now_sqlite(_element: now_us, _compiler: SQLCompiler, **_options: object) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(now_us, "postgresql")
def _now_postgresql(_element: now_us, _compiler: SQLCompiler, **_options: object) -> str:
    return "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
