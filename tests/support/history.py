"""Bringing a database to any schema of the past, and asking which one it has."""

import asyncio
from pathlib import Path

from entrepot.base.settings import Settings
from entrepot.platform.db import migrate
from support.parts import FILE, sql


def upgrade(place: Settings) -> list[str]:
    """Bring the database to the newest schema; return the revisions that were run."""
    if place.database:
        return migrate.run_postgresql(place.database)
    return migrate.ensure_sqlite(Path(place.data) / FILE)


def upgrade_to(place: Settings, revision: str) -> None:
    """Bring an empty database to this schema."""
    for each in migrate.REVISIONS[: migrate.REVISIONS.index(revision) + 1]:
        if place.database:
            asyncio.run(migrate._upgrade_postgresql(place.database, "test", each))
        else:
            migrate._upgrade_sqlite(Path(place.data) / FILE, each)


def revision(place: Settings) -> str:
    """Return the schema that the database says it has."""
    return str(rows(place, "SELECT version_num FROM alembic_version")[0][0])


def rows(place: Settings, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Run one statement and return its rows."""
    return asyncio.run(sql(place, statement, *values))


def options(place: Settings) -> list[str]:
    """Return the command line's words for these settings."""
    words = {"data": place.data, "database": place.database, "storage": place.storage}
    return [word for name, value in words.items() if value for word in (f"--{name}", value)]
