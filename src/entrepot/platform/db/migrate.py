"""Bringing a database to the schema of this release, and refusing one that is of another.

Migrations run under a lock, each in a transaction of its own. SQLAlchemy and Alembic are imported only when there is
something to migrate: the start of a server that is up to date costs one query.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from entrepot import __version__
from entrepot.base.databases import parse_database
from entrepot.base.errors import EntrepotError
from entrepot.platform.db.database import DatabaseUnavailable
from entrepot.platform.db.sqlite import raise_generation
from entrepot.platform.db.upgrading import on_connection

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.engine import Connection

_log: Final = logging.getLogger(__name__)
# A test compares them with the files.
REVISIONS: Final = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
)
_NUMBER: Final = 4  # digits of a revision
_ADVISORY_LOCK: Final = 0x656E7472  # "entr"
_LOCK_PAUSE_S: Final = 0.25
_HELD_FOR: Final = "60s"  # by who gives no sign: a machine that lost its power, or is frozen
_SIGN_EVERY_S: Final = 3.0
_CONNECT_TIMEOUT_S: Final = 5
_LEAST_POSTGRESQL: Final = 15


class DatabaseTooNew(EntrepotError):
    """The database was migrated by a later release."""

    summary = (
        "the database {database} is of schema {revision}, made by Entrepot {release}; this is Entrepot {ours}, which knows "
        "schemas up to {newest}: start Entrepot {release} or newer, or restore a copy from before the upgrade"
    )


class DatabaseTooOld(EntrepotError):
    """The database was not brought to the schema of this release."""

    summary = (
        "the database {database} is of schema {revision}; this is Entrepot {ours}, which needs schema {newest}: if it is the "
        "database that you mean, bring it there with `entrepot migrate` or `entrepot serve`"
    )


class PostgresqlTooOld(EntrepotError):
    """The server lacks what our statements need."""

    summary = "the database {database} is on PostgreSQL {found}; Entrepot needs PostgreSQL {least} or newer: upgrade the server"


class DatabaseUnreachable(EntrepotError):
    """No connection can be made."""

    summary = "the database {database} cannot be reached: {reason}"


class MigrationFailed(EntrepotError):
    """A migration did not run to its end; the database is as it was before that step."""

    summary = "the database {database} could not be migrated to schema {revision}: {reason}. It is still of schema {before}"


def ensure_sqlite(file: Path) -> list[str]:
    """Bring an SQLite file to the newest schema; return the revisions that were run.

    Raises:
        DatabaseTooNew, MigrationFailed, DatabaseUnavailable
    """
    try:
        with _file_lock(Path(f"{file}-migration")):
            before = _sqlite_revision(file)
            pending = _pending(before, str(file), lambda: _sqlite_release(file))
            if pending and before is not None:
                _copy_beside(file, before)
            for revision in pending:
                _upgrade_sqlite(file, revision)
    except sqlite3.Error as error:
        raise DatabaseUnavailable from error
    return pending


async def ensure_postgresql(url: str) -> list[str]:
    """Bring a PostgreSQL database to the newest schema; return the revisions that were run.

    Raises:
        DatabaseTooNew, MigrationFailed, DatabaseUnreachable, PostgresqlTooOld
    """
    import asyncpg  # noqa: PLC0415 - only clusters have it

    shown = _without_password(url)
    async with connected(url) as connection:
        try:
            done = await _upgrade_pending(connection, url, shown)
            if done is None:
                _log.info("migration_waits", extra={"database": shown})
            while done is None:
                await asyncio.sleep(_LOCK_PAUSE_S)
                done = await _upgrade_pending(connection, url, shown)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseUnreachable(database=shown, reason=error or type(error).__name__) from error
    return done


async def _upgrade_pending(connection: "asyncpg.Connection", url: str, shown: str) -> list[str] | None:
    """Migrate under the lock, or return None because another node has it: it is then found migrated.

    It is a transaction's lock, which a pooler cannot keep with a connection that others get. Who does not get it waits outside
    a transaction: through a small pool, those that wait would otherwise take the connections by which the other one migrates.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_HELD_FOR}'")
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK):
            return None
        pending = await _pending_postgresql(connection, shown)
        for revision in pending:
            await _holding(connection, _upgrade_postgresql(url, shown, revision))
    return pending


async def _holding(connection: "asyncpg.Connection", work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and let the transaction that holds the lock not be idle meanwhile.

    So the lock of a machine that is no more ends with its transaction, whoever is between; and without it nothing is done.
    """
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait([task], timeout=_SIGN_EVERY_S))[0]:
            await connection.execute("SELECT 1")
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _upgrade_postgresql(url: str, shown: str, revision: str) -> None:
    await on_connection(url, partial(_upgrade, revision=revision, shown=shown))


def pending_sqlite(file: Path) -> list[str]:
    """Return the revisions that `ensure_sqlite` would run; nothing is changed, and no file is made.

    Raises:
        DatabaseTooNew, DatabaseUnreachable
    """
    try:
        return _pending(_sqlite_revision(file), str(file), lambda: _sqlite_release(file))
    except sqlite3.Error as error:
        raise DatabaseUnreachable(database=file, reason=error) from error


async def pending_postgresql(url: str) -> list[str]:
    """Return the revisions that `ensure_postgresql` would run; nothing is changed.

    Raises:
        DatabaseTooNew, DatabaseUnreachable, PostgresqlTooOld
    """
    import asyncpg  # noqa: PLC0415 - only clusters have it

    shown = _without_password(url)
    async with connected(url) as connection:
        try:
            async with connection.transaction():
                return await _pending_postgresql(connection, shown)
        except asyncpg.PostgresError as error:  # tables of these names that are not ours, or not for this user
            raise DatabaseUnreachable(database=shown, reason=error) from error


def check_sqlite(file: Path) -> None:
    """Refuse an SQLite file that is not of the newest schema, and make none.

    Raises:
        DatabaseTooOld, DatabaseTooNew, DatabaseUnreachable
    """
    _refuse_if(pending_sqlite(file), str(file))


async def check_postgresql(url: str) -> None:
    """Refuse a PostgreSQL database that is not of the newest schema.

    Raises:
        DatabaseTooOld, DatabaseTooNew, DatabaseUnreachable, PostgresqlTooOld
    """
    _refuse_if(await pending_postgresql(url), _without_password(url))


def _refuse_if(pending: list[str], database: str) -> None:
    if pending:
        before = _before(pending[0])
        raise DatabaseTooOld(database=database, revision=before, ours=__version__, newest=REVISIONS[-1])


def names(revisions: list[str]) -> list[str]:
    """Return the revisions with what they are about, such as `0001_expand_registry`."""
    files = {path.stem[:_NUMBER]: path.stem for path in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py")}
    return [files[revision] for revision in revisions]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection"]:
    """Connect for what needs no pool, in transactions: the address may be a pooler's. Raises DatabaseUnreachable."""
    import asyncpg  # noqa: PLC0415 - only clusters have it

    try:
        connection = await asyncpg.connect(parse_database(url).url, timeout=_CONNECT_TIMEOUT_S, statement_cache_size=0)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # A mere ValueError cites a part of the address that is none: of a password with a / in it, what is taken for a port.
        reason = "its address cannot be read" if type(error) is ValueError else error or type(error).__name__
        raise DatabaseUnreachable(database=_without_password(url), reason=reason) from error
    try:
        yield connection
    finally:
        await connection.close()


def _without_password(url: str) -> str:
    """Return the address from its host on: options may hold passwords too, and those may hold an @."""
    address, _, options = url.partition("?")
    if "@" not in address and "@" in options:
        return "of --database"  # a ? in the password, which should have been escaped: nothing here is surely none of it
    return address.rpartition("@")[2]


_RELEASE_SQL: Final = "SELECT release FROM schema_release ORDER BY revision DESC LIMIT 1"


def _pending(before: str | None, database: str, release: Callable[[], str | None]) -> list[str]:
    if before is None:
        return list(REVISIONS)
    if before not in REVISIONS:
        raise DatabaseTooNew(
            database=database, revision=before, release=release() or "of a later version", ours=__version__, newest=REVISIONS[-1]
        )
    return list(REVISIONS[REVISIONS.index(before) + 1 :])


async def _pending_postgresql(connection: "asyncpg.Connection", shown: str) -> list[str]:
    version = connection.get_server_version()
    if version.major < _LEAST_POSTGRESQL:
        raise PostgresqlTooOld(database=shown, found=f"{version.major}.{version.minor}", least=_LEAST_POSTGRESQL)
    known = await connection.fetchval("SELECT to_regclass('alembic_version')::text")
    before = await connection.fetchval("SELECT version_num FROM alembic_version") if known else None
    release = await connection.fetchval(_RELEASE_SQL) if known and before not in (None, *REVISIONS) else None
    return _pending(before, shown, lambda: release)


def _before(revision: str) -> str:
    place = REVISIONS.index(revision)
    return REVISIONS[place - 1] if place else "none"


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sqlite_revision(file: Path) -> str | None:
    if not file.exists():
        return None  # connecting would make it
    connection = sqlite3.connect(file, timeout=10)
    try:
        row = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if row else None
    finally:
        connection.close()
    return found[0] if found else None


def _sqlite_release(file: Path) -> str | None:
    connection = sqlite3.connect(file, timeout=10)
    try:
        row = connection.execute(_RELEASE_SQL).fetchone()
    finally:
        connection.close()
    return row[0] if row else None


def _copy_beside(file: Path, revision: str) -> None:
    """Keep the database as it was: SQLite copies a consistent whole, also while others write."""
    copy = file.with_name(f"{file.name}.before-{revision}-upgrade")
    partial = copy.with_name(f"{copy.name}.partial")
    partial.unlink(missing_ok=True)
    source = sqlite3.connect(file)
    target = sqlite3.connect(partial)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    shutil.move(partial, copy)


def _upgrade_sqlite(file: Path, revision: str) -> None:
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - see the module's docstring

    engine = create_engine(f"sqlite:///{file}")

    # Without these two, pysqlite commits before each CREATE TABLE, and a migration that fails leaves half of itself.
    @event.listens_for(engine, "connect")
    def _no_own_transactions(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: "Connection") -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.connect() as connection:
            _upgrade(connection, revision, str(file))
        with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as plain:
            plain.execute("BEGIN IMMEDIATE")  # somebody may write beside us
            raise_generation(plain)
            plain.execute("COMMIT")
    finally:
        engine.dispose()


def _upgrade(connection: "Connection", revision: str, shown: str) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    configuration = Config(attributes={"connection": connection})
    configuration.set_main_option("script_location", "entrepot.platform.db:migrations")
    try:
        command.upgrade(configuration, revision)
    except SQLAlchemyError as error:
        raise MigrationFailed(database=shown, revision=revision, before=_before(revision), reason=error) from error


def run_postgresql(url: str) -> list[str]:
    """Do `ensure_postgresql` outside an event loop."""
    return asyncio.run(ensure_postgresql(url))
