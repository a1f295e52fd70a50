"""Statements written once in SQLAlchemy Core and compiled once for each database; running one is then only the driver's work.

They take and give integers, text, bytes and None, which both drivers understand alike. Lists of values are padded to a power
of two, so that a statement has few compiled forms.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import BindParameter, ClauseElement, SelectBase, Table, UpdateBase, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.engine import Dialect

from entrepot.platform.db.columns import QUIET

MAX_LIST: Final = 500
_SQLITE: Final = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL: Final[Dialect] = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap

Value = int | str | bytes | None
Row = Sequence[Any]


class Compiled:
    """The driver's SQL and the order in which it wants its parameters; `quiet` when it changes nothing that is ever recalled."""

    __slots__ = ("_constants", "order", "quiet", "sql")

    def __init__(self, executable: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = executable.compile(dialect=dialect)
        self.sql: str = str(compiled)
        self.quiet = _is_quiet(executable)
        self.order: tuple[str, ...] = tuple(compiled.positiontup or ())
        # SQLAlchemy turns literals in a statement into parameters of its own: their values are known already.
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}

    def values(self, parameters: dict[str, Value]) -> list[Value]:
        """Put the parameters in order."""
        if self._constants:
            parameters = {**self._constants, **parameters}
        return [parameters[name] for name in self.order]


def _is_quiet(executable: ClauseElement) -> bool:
    if isinstance(executable, UpdateBase):
        return isinstance(executable.table, Table) and bool(executable.table.info.get(QUIET))
    return isinstance(executable, SelectBase)


class Statement:
    """One statement with named parameters."""

    def __init__(self, executable: ClauseElement) -> None:
        self._executable = executable

    @cached_property
    def sqlite(self) -> Compiled:
        """The form for SQLite."""
        return Compiled(self._executable, _SQLITE)

    @cached_property
    def postgresql(self) -> Compiled:
        """The form for PostgreSQL."""
        return Compiled(self._executable, _POSTGRESQL)


class ListStatement:
    """A statement about a list of values: `build` gets the bind parameters to put into an IN."""

    def __init__(self, build: Callable[[list[BindParameter[Any]]], ClauseElement]) -> None:
        self._build = build
        self._forms: dict[int, Statement] = {}

    def batches(self, values: Sequence[Value]) -> list[tuple[Statement, dict[str, Value]]]:
        """Split `values` into batches of at most 500, sorted so that rows are always locked in one order."""
        ordered = sorted(set(values))  # type: ignore[type-var]  # a list holds values of one type
        return [self._batch(ordered[place : place + MAX_LIST]) for place in range(0, len(ordered), MAX_LIST)]

    def _batch(self, values: list[Value]) -> tuple[Statement, dict[str, Value]]:
        size = min(1 << (len(values) - 1).bit_length(), MAX_LIST)
        if size not in self._forms:
            self._forms[size] = Statement(self._build([bindparam(f"value_{place}") for place in range(size)]))
        padded = values + values[-1:] * (size - len(values))
        return self._forms[size], {f"value_{place}": value for place, value in enumerate(padded)}
