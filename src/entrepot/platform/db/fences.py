"""Keeping others out of a table: the statement for it, which each database has in its own form."""

from sqlalchemy import Executable, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement


class exclusively(Executable, ClauseElement):  # noqa: N801 - written like the statements of SQLAlchemy
    """Hold a table against all who change it or read it FOR SHARE, until the transaction ends."""

    inherit_cache = False

    def __init__(self, table: Table) -> None:
        self.table = table


@compiles(exclusively, "sqlite")
def _on_sqlite(_element: exclusively, _compiler: SQLCompiler, **_options: object) -> str:
    return "SELECT 1 WHERE 0"  # who may write is alone


@compiles(exclusively, "postgresql")
def _on_postgresql(element: exclusively, compiler: SQLCompiler, **_options: object) -> str:
    return f"LOCK TABLE {compiler.preparer.format_table(element.table)} IN EXCLUSIVE MODE"
