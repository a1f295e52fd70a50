"""What `entrepot doctor` says about the database: only looked at, never changed."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entrepot.base.databases import parse_database
from entrepot.base.findings import Finding, error, ok, warning
from entrepot.platform.db.migrate import DatabaseUnreachable, connected
from entrepot.platform.db.sqlite import connect

if TYPE_CHECKING:
    import asyncpg

_LEAST_SQLITE: Final = (3, 35, 0)  # RETURNING
_LEAST_POSTGRESQL: Final = 150_000
_CLOCK_WARNING_S: Final = 1.0
_CLOCK_ERROR_S: Final = 60.0
_LANGUAGE: Final = """
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND data_type IN ('text', 'character varying') AND table_name <> 'alembic_version'
AND collation_name IS DISTINCT FROM 'C' ORDER BY 1
"""
_SETTINGS: Final = (
    ("synchronous_commit", ("off",), "acknowledged pushes may be gone after a crash of the database"),
    ("fsync", ("off",), "the whole database may be gone after a power cut"),
    ("full_page_writes", ("off",), "pages of the database may be torn after a power cut"),
)


def examine_sqlite(file: Path) -> Iterator[Finding]:
    """Check SQLite and the database's file."""
    version = ".".join(map(str, sqlite3.sqlite_version_info))
    if sqlite3.sqlite_version_info < _LEAST_SQLITE:
        yield error("database", f"SQLite {version} is too old", "use a Python that comes with SQLite 3.35 or newer")
        return
    if not file.exists():
        yield error("database", f"{file} is not there", "name the right folder with --data, or make it by `entrepot migrate`")
        return
    try:
        connection = connect(file, read_only=True)
        try:
            encoding, mode = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("encoding", "journal_mode"))
        finally:
            connection.close()
    except sqlite3.Error as reason:
        yield error("database", f"{file} cannot be read: {reason}", "look at its permissions; else restore a copy of the file")
        return
    if (encoding, mode) != ("UTF-8", "wal"):
        told = f"SQLite {version}, encoding {encoding}, journal {mode}"
        yield error("database", told, "it was not made by Entrepot: start with an empty folder, or restore a copy of the file")
        return
    yield ok("database", f"SQLite {version}, {file.stat().st_size / (1 << 20):,.1f} MiB")


async def examine_postgresql(url: str, workers: int) -> list[Finding]:
    """Check a PostgreSQL server and our database on it, for so many web processes on this machine."""
    try:
        # In a transaction: through a pooler each statement outside one may go to another connection before it is whole.
        async with connected(url) as connection, connection.transaction():
            return [
                *await _identity(connection),
                await _clock(connection),
                *[await _durability(connection, *each) for each in _SETTINGS],
                *([] if parse_database(url).is_pooled else [await _connections(connection, workers)]),
            ]
    except DatabaseUnreachable as reason:
        return [error("database", reason.message, "start the database, or correct --database")]


async def _identity(connection: "asyncpg.Connection") -> Iterator[Finding]:
    version = int(await connection.fetchval("SHOW server_version_num"))
    shown = await connection.fetchval("SHOW server_version")
    encoding = await connection.fetchval("SHOW server_encoding")
    others = [row[0] for row in await connection.fetch(_LANGUAGE)]
    found = [
        ok("database", f"PostgreSQL {shown}")
        if version >= _LEAST_POSTGRESQL
        else error("database", f"PostgreSQL {shown} is too old", "upgrade the server to version 15 or newer"),
        ok("encoding", encoding)
        if encoding == "UTF8"
        else error(
            "encoding", f"the database is in {encoding}", "make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        ),
        ok("collation", "text is compared byte by byte")
        if not others
        else error(
            "collation",
            f"{', '.join(others[:5])}: compared by a language's rules, so that lists of tags skip or repeat some",
            'give the columns back their collation: ALTER TABLE … ALTER COLUMN … TYPE text COLLATE "C"',
        ),
    ]
    return iter(found)


async def _clock(connection: "asyncpg.Connection") -> Finding:
    before = time.time()
    theirs = float(await connection.fetchval("SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8"))
    after = time.time()
    # What the answer's way may have taken is no difference.
    return check_clock(max(theirs - after, before - theirs, 0.0))


def check_clock(apart_s: float) -> Finding:
    """Judge how far the clocks of database and machine are apart at least."""
    told = f"the database's clock and this machine's are {apart_s:.1f} s apart"
    advice = "let both machines follow a time server"
    if apart_s >= _CLOCK_ERROR_S:
        return error("clock", told, advice)
    return warning("clock", told, advice) if apart_s >= _CLOCK_WARNING_S else ok("clock", told)


async def _durability(connection: "asyncpg.Connection", setting: str, bad: tuple[str, ...], consequence: str) -> Finding:
    value = await connection.fetchval(f"SHOW {setting}")
    if value in bad:
        return error(
            "durability", f"{setting} is {value}: {consequence}", f"set {setting} to on, for the server, database and user"
        )
    return ok("durability", f"{setting} is {value}")


async def _connections(connection: "asyncpg.Connection", workers: int) -> Finding:
    from entrepot.platform.db.postgresql import POOL_SIZE  # noqa: PLC0415 - only clusters have its driver

    most = int(await connection.fetchval("SHOW max_connections"))
    kept = int(await connection.fetchval("SHOW superuser_reserved_connections"))
    # Each process, that of the jobs too, may look on one more, and the jobs' waits on one for announcements.
    needed = (workers + 1) * (POOL_SIZE + 1) + 1
    told = f"{most - kept} connections are for everyone; {workers} web processes here and their job process open up to {needed}"
    if needed > most - kept:
        return warning("connections", told, "raise max_connections, or lower --workers")
    return ok("connections", told)
