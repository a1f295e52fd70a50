"""Inserts that are no error when the row is there already; the two databases spell them alike in different dialects."""

from typing import Any

from sqlalchemy import ColumnElement, Table, TextClause
from sqlalchemy.dialects.postgresql import Insert, insert


def insert_unless_there(
    table: Table, columns: list[Any], where: TextClause | None = None, **values: ColumnElement[Any]
) -> Insert:
    """Return `INSERT … ON CONFLICT (columns) DO NOTHING`; `where` names a partial index."""
    return insert(table).values(**values).on_conflict_do_nothing(index_elements=columns, index_where=where)
