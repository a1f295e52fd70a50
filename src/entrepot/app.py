"""The composition root: the only module that knows every feature and joins them into one application."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from entrepot import __version__
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.base.settings import Settings
from entrepot.domain.access.model import Access
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.platform.db.database import Database, answers
from entrepot.platform.db.migrate import ensure_sqlite, run_postgresql
from entrepot.platform.db.sqlite import SqliteDatabase
from entrepot.platform.jobs import PRUNING, Engine, Kind, Prune, Setup, prune, work
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.web.front import Front
from entrepot.web.shared.gate import OpenGate
from entrepot.web.v2.router import Router

_log: Final = logging.getLogger(__name__)
_DATABASE_FILE: Final = "entrepot.db"
_DEFAULT_PLACES: Final = 4  # of `entrepot worker` where the settings, shared with `serve`, say none


class DataFolderUnusable(EntrepotError):
    """Nothing can be stored in the data folder."""

    summary = "the data folder {folder} cannot be used: {reason}. Choose another one with --data, or let this user write to it"


class Parts:
    """What a process of ours stands on; opened and closed as one."""

    def __init__(self, settings: Settings) -> None:
        self.db = database(settings)
        self.storage = FilesystemStorage(Path(settings.data).resolve())
        rules = Rules(gc_grace_s=settings.gc_grace, sparse=settings.sparse)
        self.registry: Registry = registry(self.db, self.storage, Access(settings.access), rules)

    async def open(self) -> None:
        """Connect to the database."""
        await self.db.open()

    async def close(self) -> None:
        """Finish what runs and disconnect."""
        await self.db.close()
        self.storage.close()

    async def ready(self) -> bool:
        """Tell whether the database answers."""
        try:
            await self.db.read(answers)
        except Unavailable:
            return False
        return True


def database(settings: Settings) -> Database:
    """Return the database that the settings name, not opened yet."""
    if settings.database:
        from entrepot.platform.db.postgresql import PostgresqlDatabase  # noqa: PLC0415 - only clusters have its driver

        return PostgresqlDatabase(settings.database)
    return SqliteDatabase(Path(settings.data) / _DATABASE_FILE)


def prepare(settings: Settings) -> list[str]:
    """Make the data folder and bring the database to the newest schema; return the revisions that were run.

    Raises:
        DataFolderUnusable, DatabaseTooNew, MigrationFailed, Unavailable
    """
    os.umask(0o077)  # whatever is made from now on, by the workers too, is for this user's eyes alone
    data = Path(settings.data)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderUnusable(folder=data, reason=error.strerror) from None
    storage = FilesystemStorage(data.resolve())
    storage.prepare()
    storage.close()
    return run_postgresql(settings.database) if settings.database else ensure_sqlite(data / _DATABASE_FILE)


def announce(settings: Settings, revisions: list[str]) -> None:
    """Write into the log what is about to be served."""
    where = "PostgreSQL" if settings.database else "SQLite"
    _log.info("starting", extra={"version": __version__, "listen": settings.listen, "data": settings.data, "database": where})
    if revisions:
        _log.info("migrated", extra={"to": revisions[-1]})


def web(settings: Settings, draining: Callable[[], bool]) -> Front:
    """Build the application of one web process."""
    parts = Parts(settings)

    async def ready() -> bool:
        return not draining() and await parts.ready()

    return Front(Router(parts.registry), OpenGate(settings.public_url), parts, ready=ready)


def jobs(parts: Parts, places: int) -> Engine:
    """Build the engine of one job process, with every kind of job that there is."""
    setup = Setup(kinds=[Kind(Prune, prune)], schedules=[PRUNING])
    return Engine(parts.db, setup, places)


def work_on_jobs(settings: Settings) -> None:
    """Run background jobs in this process until told to stop.

    Raises:
        DatabaseUnavailable: it does not answer at the start.
    """
    places = _DEFAULT_PLACES if settings.jobs == "none" else settings.jobs

    async def run() -> None:
        parts = Parts(settings)
        await work(parts, jobs(parts, places))

    asyncio.run(run())
