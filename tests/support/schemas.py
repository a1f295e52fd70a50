"""What a database's schema is, as values that can be compared: read by SQLAlchemy's inspector from a live database."""

import asyncio
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, MetaData, create_engine, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from entrepot.base.settings import Settings
from support.parts import FILE

# These two are the migrations' own book-keeping, which no feature describes.
OWN: Final = {"alembic_version", "schema_release"}
Schema = dict[str, dict[str, Any]]


def schema(place: Settings) -> Schema:
    """Return every table's columns, keys, uniques, indexes and foreign keys."""
    found: Schema = _with_connection(place, _read)
    return found


def create(place: Settings, tables: MetaData) -> None:
    """Make the tables as they are described."""
    _with_connection(place, tables.create_all)


def _with_connection(place: Settings, do: Any) -> Any:
    if not place.database:
        engine = create_engine(f"sqlite:///{Path(place.data) / FILE}")
        try:
            with engine.begin() as connection:
                return do(connection)
        finally:
            engine.dispose()

    async def on_postgresql() -> Any:
        engine = create_async_engine(place.database.replace("postgresql://", "postgresql+asyncpg://", 1))
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(do)
        finally:
            await engine.dispose()

    return asyncio.run(on_postgresql())


def _read(connection: Connection) -> Schema:
    inspector = inspect(connection)
    return {
        name: {
            "columns": {each["name"]: (str(each["type"]), each["nullable"]) for each in inspector.get_columns(name)},
            "key": inspector.get_pk_constraint(name)["constrained_columns"],
            "uniques": sorted(each["column_names"] for each in inspector.get_unique_constraints(name)),
            "foreign": sorted(
                (each["constrained_columns"], each["referred_table"], each["referred_columns"])
                for each in inspector.get_foreign_keys(name)
            ),
            "indexes": {
                str(each["name"]): (each["column_names"], bool(each["unique"]), _where(each.get("dialect_options", {})))
                for each in inspector.get_indexes(name)
                if not each.get("duplicates_constraint")
            },
        }
        for name in inspector.get_table_names()
    }


def _where(options: dict[str, Any]) -> str:
    where = options.get("sqlite_where", options.get("postgresql_where", ""))
    # PostgreSQL quotes what is also a word of its own, and says of what type a text is.
    return str(where).strip("()").replace('"', "").lower().removesuffix("::text")
