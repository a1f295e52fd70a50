"""Waking those who wait for a commit: `announced()` in a statement, `Database.changed` at the other end.

On PostgreSQL it is NOTIFY, which is sent when the transaction commits. SQLite needs nothing: every commit can be seen there.
"""

from typing import Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

CHANNEL: Final = "entrepot"


class announced(FunctionElement[None]):  # noqa: N801 - written like the SQL functions of SQLAlchemy
    """A column to return from a statement: each returned row wakes whoever waits, once it is committed."""

    type = NullType()
    inherit_cache = True


@compiles(announced, "sqlite")
def _announced_sqlite(_element: announced, _compiler: SQLCompiler, **_options: object) -> str:
    return "NULL"


@compiles(announced, "postgresql")
def _announced_postgresql(_element: announced, _compiler: SQLCompiler, **_options: object) -> str:
    return f"pg_notify('{CHANNEL}', '')"
