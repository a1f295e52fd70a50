"""The composition root: the only module that knows every feature and joins them into one application."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from entrepot import __version__
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.base.findings import Finding, error, ok, warning
from entrepot.base.settings import Settings, workers
from entrepot.domain.access.model import ANYONE, Access
from entrepot.domain.registry.errors import UploadUnknown
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.platform.db.checkup import examine_postgresql, examine_sqlite
from entrepot.platform.db.database import Database, answers
from entrepot.platform.db.migrate import ensure_sqlite, names, pending_postgresql, pending_sqlite, run_postgresql
from entrepot.platform.db.sqlite import SqliteDatabase
from entrepot.platform.http.probe import Probe
from entrepot.platform.http.verdict import judge
from entrepot.platform.secrets.keys import FILE as KEY_FILE
from entrepot.platform.secrets.keys import check_key, ensure_key, read_keys
from entrepot.platform.storage.checkup import check_disk, check_open_files
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.front import Front
from entrepot.web.metrics import Metrics, State
from entrepot.web.shared.gate import MetricsGate, OpenGate
from entrepot.web.shared.meters import DATABASE, Meters
from entrepot.web.v2.router import Router

_log: Final = logging.getLogger(__name__)
_DATABASE_FILE: Final = "entrepot.db"
_MIGRATE: Final = "run `entrepot migrate`, or start the service, which does it"
# Where the doctor uploads to: nothing is ever finished there, so no client and no catalogue shows it.
_PROBED: Final = RepositoryName.parse("entrepot-doctor/probe")
_ACCEPTED: Final = 202
_CANCELLED: Final = 204


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
        DataFolderUnusable, SecretKeyUnusable, DatabaseTooNew, MigrationFailed, Unavailable
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
    if not settings.secret_key_file:
        ensure_key(_key_file(settings))
    read_keys(_key_file(settings))  # a key that cannot be used is told now, and not by the first secret
    return run_postgresql(settings.database) if settings.database else ensure_sqlite(data / _DATABASE_FILE)


def _key_file(settings: Settings) -> Path:
    return Path(settings.secret_key_file) if settings.secret_key_file else Path(settings.data).resolve() / KEY_FILE


async def pending(settings: Settings) -> list[str]:
    """Return the names of the migrations that `prepare` would run; nothing is changed.

    Raises:
        DatabaseTooNew, DatabaseUnreachable, Unavailable
    """
    if settings.database:
        return names(await pending_postgresql(settings.database))
    return names(pending_sqlite(Path(settings.data) / _DATABASE_FILE))


def announce(settings: Settings, revisions: list[str]) -> None:
    """Write into the log what is about to be served."""
    where = "PostgreSQL" if settings.database else "SQLite"
    _log.info("starting", extra={"version": __version__, "listen": settings.listen, "data": settings.data, "database": where})
    if revisions:
        _log.info("migrated", extra={"to": revisions[-1]})


def meters(settings: Settings) -> Meters:
    """Make the memory in which all web processes count; to be made before they are forked."""
    return Meters(workers(settings))


def web(settings: Settings, counted: Meters, draining: Callable[[], bool]) -> Front:
    """Build the application of one web process."""
    parts = Parts(settings)
    counted.begin()

    async def ready() -> bool:
        if draining():
            return False
        answered = await parts.ready()
        if not answered:
            counted.failed(DATABASE)
        return answered

    metrics = Metrics(MetricsGate(settings.metrics_allow), counted, partial(_state, settings, parts))
    gate = OpenGate(settings.public_url)
    return Front(Router(parts.registry), gate, parts, metrics, ready=ready, access_log=settings.access_log)


async def _state(settings: Settings, parts: Parts) -> State:
    """Look at what metrics tell beside what was counted; one part that cannot be told does not hide the others."""
    uploads = disk = None
    with suppress(Unavailable):
        uploads = await parts.registry.uploads.count_open()
    with suppress(OSError):
        disk = os.statvfs(settings.data)
    return State(
        open_uploads=uploads,
        disk_free_bytes=disk and disk.f_bavail * disk.f_frsize,
        disk_size_bytes=disk and disk.f_blocks * disk.f_frsize,
    )


async def checkup(settings: Settings) -> AsyncIterator[Finding]:
    """Look at all that the service stands on, from this machine; what is found is told as it is found."""
    found = await asyncio.to_thread(_check_machine, settings)
    if settings.database:
        found += await examine_postgresql(settings.database, workers(settings))
    for finding in found:
        yield finding
    try:
        missing = await pending(settings)
        schema = warning("schema", f"{', '.join(missing)} not run", _MIGRATE) if missing else ok("schema", "up to date")
    except EntrepotError as refused:
        schema = error("schema", refused.message, "see the lines above")
    yield schema
    if not settings.public_url:
        return
    if any(finding.verdict == "error" for finding in found) or schema.verdict != "ok":
        yield warning("public URL", "not tried, because of the lines above", "mend those first")
        return
    yield await _upload_through_proxy(settings)


def _check_machine(settings: Settings) -> list[Finding]:
    folder = Path(settings.data).resolve()
    own_database = [] if settings.database else examine_sqlite(folder / _DATABASE_FILE)
    return [
        *check_disk(folder),
        check_key(_key_file(settings), is_made=not settings.secret_key_file),
        check_open_files(),
        *own_database,
    ]


async def _upload_through_proxy(settings: Settings) -> Finding:
    """Upload to ourselves as a client does, and cancel the upload."""
    probe = Probe(settings.public_url)
    begun = await asyncio.to_thread(probe.request, "POST", f"/v2/{_PROBED.asked}/blobs/uploads/")
    if begun.answer is None or begun.answer.status != _ACCEPTED:
        return judge(settings.public_url, begun)
    location = urlsplit(begun.answer.headers.get("location", "")).path
    id_ = location.rpartition("/")[2]
    parts = Parts(settings)
    await parts.open()
    try:
        upload = await parts.registry.uploads.status(ANYONE, _PROBED, id_)
        sent = await asyncio.to_thread(probe.upload, location, lambda: parts.storage.received(upload.handle) > 0)
        return judge(settings.public_url, sent)
    except UploadUnknown:
        told = f"{settings.public_url} leads to a registry with other data than {settings.data}"
        return error(
            "public URL", told, "give this command the settings of the registry that serves there, or correct --public-url"
        )
    finally:
        ended = await asyncio.to_thread(probe.request, "DELETE", location)
        if ended.answer is None or ended.answer.status != _CANCELLED:
            with suppress(EntrepotError):  # it expires by itself
                await parts.registry.uploads.cancel(ANYONE, _PROBED, id_)
        await parts.close()
