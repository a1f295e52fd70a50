"""What a process of ours stands on, and how its data is made, migrated and opened."""

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from entrepot import __version__
from entrepot.app.people import People
from entrepot.base.bucket import BucketUnusable, parse_bucket
from entrepot.base.databases import parse_database
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.base.ids import new_token
from entrepot.base.settings import Settings
from entrepot.domain.access.service.identity import Identity
from entrepot.domain.access.service.modes import Guarded, Modes
from entrepot.domain.access.service.rule import AccountsRule, OpenRule, Rule
from entrepot.domain.access.service.tokens import PURPOSE, Tokens
from entrepot.domain.accounts.service.credentials import Credentials
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import HUB, Author
from entrepot.domain.plans.service import Plans
from entrepot.domain.registry.service import Registry, Rules, registry
from entrepot.domain.registry.service.repositories import facts_in
from entrepot.domain.registry.service.served import KEPT_BYTES, KEPT_S, Served
from entrepot.platform.db.database import Database, answers
from entrepot.platform.db.migrate import (
    check_postgresql,
    check_sqlite,
    ensure_sqlite,
    names,
    pending_postgresql,
    pending_sqlite,
    run_postgresql,
)
from entrepot.platform.db.recent import Recent
from entrepot.platform.db.sqlite import SqliteDatabase
from entrepot.platform.disk.ballast import Ballast
from entrepot.platform.disk.room import Counters, Room
from entrepot.platform.secrets.keys import FILE as KEY_FILE
from entrepot.platform.secrets.keys import ensure_key, read_keys
from entrepot.platform.secrets.passwords import Passwords
from entrepot.platform.secrets.rotation import KeyFile
from entrepot.platform.storage.driver import StorageDriver, StorageUnavailable, StoreTaken
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.platform.storage.held import make_folder

_log: Final = logging.getLogger(__name__)
DATABASE_FILE: Final = "entrepot.db"
RECENT_FOLDER: Final = "cache/recent"
_PATIENCE_S: Final = 2.0  # with a disk that is asked whether it is there


class DataFolderUnusable(EntrepotError):
    """Nothing can be stored in the data folder."""

    summary = "the data folder {folder} cannot be used: {reason}. Choose another one with --data, or let this user write to it"


class DataFolderEmpty(EntrepotError):
    """No registry was ever served from the data folder."""

    summary = (
        "the data folder {folder} holds no registry: name the right one with --data, or make one there with `entrepot migrate` "
        "or `entrepot serve`"
    )


class BlobsMissing(EntrepotError):
    """The database is of a registry whose blobs are not in the data folder."""

    summary = (
        "the data folder {folder} holds no blobs, and the database names some: mount its disk, or name the right folder with "
        "--data. If those bytes are lost for good, make the folder {folder}/blobs, and pushes will heal what they bring again"
    )


class BucketEmpty(EntrepotError):
    """The database is of a registry whose blobs are not in the bucket."""

    summary = (
        "no registry has ever kept blobs at {storage}, and the database names some: correct --storage. If those bytes are lost "
        "for good, put any object there with the key entrepot.json, and pushes will heal what they bring again"
    )


class BucketTaken(EntrepotError):
    """The bucket has another registry's blobs, which the database does not know."""

    summary = (
        "another registry keeps its blobs at {storage}, none that this database knows: name a prefix of its own with "
        "--storage, or the right database. If nobody needs those bytes, delete the object entrepot.json there, "
        "and they will be cleaned up"
    )


class Parts:
    """What a process of ours stands on; opened and closed as one. `claims` is where all that take bodies count what is coming."""

    def __init__(self, settings: Settings, claims: Counters | None = None) -> None:
        folder = Path(settings.data).resolve()
        room = Room(folder, settings.min_free, claims)
        self.ballast = room.ballast
        self.db = database(settings, room.ballast)
        self.storage = store(settings, room)
        rules = Rules(
            settings.gc_grace,
            settings.sparse,
            settings.upload_lifetime,
            uploads_per_address=settings.uploads_per_address,
            one_disk=not settings.database and not settings.storage,
        )
        self.modes = Modes(self.db)
        self.accounts = Accounts(self.db, settings)
        rule = self.accounts.rule
        # SQLite's file is not away while the blobs beside it are there.
        self._served = Served(self.db, recent(settings), rule) if settings.database else None
        # Whoever may do everything is held to no plan.
        plans = self.accounts.plans if settings.access == "accounts" else None
        self.registry: Registry = registry(self.db, self.storage, rule, rules, self._served, plans)

    async def open(self) -> None:
        """Connect to the database."""
        await self.db.open()

    async def close(self) -> None:
        """Finish what runs and disconnect."""
        await self.registry.pulls.close()
        await self.db.close()
        await self.storage.close()
        self.accounts.close()
        if self._served is not None:
            self._served.close()

    async def trouble(self) -> Unavailable | None:
        """Return what keeps pulls from being answered; a disk that takes no writes does not. Of several the worst is told."""
        away: Unavailable | None = None
        identity = None
        try:
            await self.db.read(answers)
            identity = await self.registry.stores.identity()
        except Unavailable as error:
            away = error
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self.storage.require_presence(identity)
        except TimeoutError:
            return StorageUnavailable("storage")
        except Unavailable as error:
            return error
        return away


class Changing(msgspec.Struct, frozen=True):
    """Accounts, for those who change them from outside."""

    users: Users
    organisations: Organisations
    credentials: Credentials
    plans: Plans
    people: People


class Accounts:
    """Who there is and who may do what: all that knows of users, organisations and credentials.

    What is changed is recorded as done `by` somebody; `acting` of each part gives the same for somebody else.
    """

    def __init__(self, db: Database, settings: Settings, by: Author = HUB) -> None:
        self._db = db
        self._settings = settings
        self._passwords = Passwords()
        self.users = Users(db, self._passwords, by)
        self.plans = Plans(db, settings.default_plan, by)
        self._seat = self.plans.require_seat if settings.access == "accounts" else None
        self.organisations = Organisations(db, by, self._seat)
        self.credentials = Credentials(db, by)
        self.identity = Identity(self.users, self.credentials)
        self.rule: Rule = OpenRule(facts_in(db))
        if settings.access == "accounts":
            anonymous = settings.anonymous == "pull"
            self.rule = AccountsRule(
                self.organisations,
                self.identity.still,
                facts_in(db),
                anonymous=anonymous,
                founding=settings.found_organisations,
            )
        keys = KeyFile(key_file(settings))
        self.tokens = Tokens(Keys(db, keys, PURPOSE), self.rule)
        self.people = People(db, settings, self.users, keys, by, self._seat)

    def guarded(self) -> "Changing":
        """Return what clients change of accounts: nothing while the registry is read-only."""
        db = Guarded(self._db)
        users = Users(db, self._passwords)
        people = People(db, self._settings, users, KeyFile(key_file(self._settings)), seat=self._seat)
        plans = Plans(db, self._settings.default_plan)
        return Changing(users, Organisations(db, seat=self._seat), Credentials(db), plans, people)

    def close(self) -> None:
        """Take no more passwords."""
        self._passwords.close()


def store(settings: Settings, room: Room | None = None) -> StorageDriver:
    """Return the store that the settings name. Raises BucketUnusable where nobody is told how to get at it."""
    if settings.storage:
        # Imported here: only clusters have the client library.
        try:
            from entrepot.platform.storage.s3.driver import BucketStorage  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            reason = f"{missing.name} is not installed: pip install 'entrepot[cluster]'"
            raise BucketUnusable(bucket=settings.storage, reason=reason) from None
        return BucketStorage(parse_bucket(settings.storage))
    return FilesystemStorage(Path(settings.data).resolve(), room)


def database(settings: Settings, ballast: Ballast | None = None) -> Database:
    """Return the database that the settings name, not opened yet."""
    if settings.database:
        from entrepot.platform.db.postgresql import PostgresqlDatabase  # noqa: PLC0415 - only clusters have its driver

        return PostgresqlDatabase(parse_database(settings.database))
    file = Path(settings.data) / DATABASE_FILE
    return SqliteDatabase(file, lambda certain: ballast.relieve(certain=certain)) if ballast else SqliteDatabase(file)


def recent(settings: Settings) -> Recent:
    """Return what the processes of this machine remember of what they served, not opened yet."""
    return Recent(Path(settings.data).resolve() / RECENT_FOLDER, keep_s=KEPT_S, limit_bytes=KEPT_BYTES)


def prepare(settings: Settings) -> list[str]:
    """Make the data folder and bring the database to the newest schema; return the revisions that were run.

    Raises:
        DataFolderUnusable, BlobsMissing, BucketEmpty, BucketTaken, BucketUnusable, SecretKeyUnusable, DatabaseTooNew,
        MigrationFailed, Unavailable
    """
    data = Path(settings.data)
    try:
        make_folder(data.absolute())
        if os.statvfs(data).f_flag & os.ST_RDONLY:
            raise DataFolderUnusable(folder=data, reason=os.strerror(errno.EROFS))
    except OSError as error:
        raise DataFolderUnusable(folder=data, reason=error.strerror) from None
    Ballast(data.resolve()).relieve()  # a full disk must not keep the service from the deletions that would mend it
    revisions = run_postgresql(settings.database) if settings.database else ensure_sqlite(data / DATABASE_FILE)
    asyncio.run(_prepare_store(settings))
    if settings.database:
        with suppress(OSError):  # on a full disk nothing is remembered, and that keeps nobody from starting
            (data / RECENT_FOLDER).parent.mkdir(mode=0o700, exist_ok=True)
    if not settings.secret_key_file:
        ensure_key(key_file(settings))
    read_keys(key_file(settings))  # a key that cannot be used is told now, and not by the first secret
    return revisions


async def _prepare_store(settings: Settings) -> None:
    """Make the store ready, unless the database names blobs and none were ever kept there: all would be taken for lost.

    That is the empty folder below a disk that is not mounted, where SQLite's database is away too, or another bucket.
    """
    if not settings.database and not settings.storage:
        storage = store(settings)
        await storage.prepare()
        await storage.close()
        return
    parts = Parts(settings)
    await parts.open()
    try:
        identity = await _fit(settings, parts) if settings.storage else ""
        if not settings.storage and await parts.storage.identity() is None and await parts.registry.stores.names_blobs():
            raise BlobsMissing(folder=settings.data)
        await parts.storage.prepare(identity)
        if settings.storage:  # of two registries that begin there in the same moment the mark of one stands
            await parts.storage.require_identity(identity)
    except StoreTaken:
        raise BucketTaken(storage=settings.storage) from None
    finally:
        await parts.close()


async def _fit(settings: Settings, parts: Parts) -> str:
    """Return the identity that database and bucket have in common; a new one is noted in the database before the bucket.

    Else the clean-up of one registry would take another one's blobs for what a crash left. Raises BucketEmpty, BucketTaken.
    """
    stores, marked = parts.registry.stores, await parts.storage.identity()
    ours = await stores.identity()
    if marked is None and await stores.names_blobs():
        raise BucketEmpty(storage=settings.storage)
    # A mark that does not say whose it is was made by hand, after the bucket was emptied.
    fits = marked is None or marked == ours or await stores.finds_one() or (not marked and await stores.is_empty())
    if not fits or (marked and ours and marked != ours):
        raise BucketTaken(storage=settings.storage)
    return await stores.note(ours or marked or new_token())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Parts]:
    """Open what was served or migrated before, for commands that look at it or change it; if it is not there, make nothing.

    Raises:
        DataFolderEmpty, DataFolderUnusable, BucketEmpty, BucketTaken, DatabaseTooOld, DatabaseTooNew, DatabaseUnreachable,
        Unavailable
    """
    data = Path(settings.data)
    # Whoever can read the data folder may do everything.
    parts = Parts(msgspec.structs.replace(settings, access="open"))
    try:
        if not await parts.storage.prepared():
            raise BucketEmpty(storage=settings.storage) if settings.storage else DataFolderEmpty(folder=data)
    except OSError as error:
        raise DataFolderUnusable(folder=data, reason=error.strerror) from None
    await _check_schema(settings)
    await parts.open()
    try:
        await parts.storage.require_identity(await parts.registry.stores.identity())
        yield parts
    except StoreTaken:
        raise BucketTaken(storage=settings.storage) from None
    finally:
        await parts.close()


@asynccontextmanager
async def opened_database(settings: Settings) -> AsyncIterator[Database]:
    """Do as `opened` for commands that need the database alone: they are needed most when the store is away.

    Raises:
        DataFolderEmpty, DatabaseTooOld, DatabaseTooNew, DatabaseUnreachable, Unavailable
    """
    if not settings.database and not os.access(Path(settings.data) / DATABASE_FILE, os.F_OK):
        raise DataFolderEmpty(folder=settings.data)
    await _check_schema(settings)
    db = database(settings, Ballast(Path(settings.data)))
    await db.open()
    try:
        yield db
    finally:
        await db.close()


async def _check_schema(settings: Settings) -> None:
    if settings.database:
        await check_postgresql(settings.database)
    else:
        check_sqlite(Path(settings.data) / DATABASE_FILE)


def key_file(settings: Settings) -> Path:
    """Return the file of the master key."""
    return Path(settings.secret_key_file) if settings.secret_key_file else Path(settings.data).resolve() / KEY_FILE


async def pending(settings: Settings) -> list[str]:
    """Return the names of the migrations that `prepare` would run; nothing is changed.

    Raises:
        DatabaseTooNew, DatabaseUnreachable, Unavailable
    """
    if settings.database:
        return names(await pending_postgresql(settings.database))
    return names(pending_sqlite(Path(settings.data) / DATABASE_FILE))


def announce(settings: Settings, revisions: list[str]) -> None:
    """Write into the log what is about to be served."""
    where = "PostgreSQL" if settings.database else "SQLite"
    told = {"listen": settings.listen, "data": settings.data, "database": where, "storage": settings.storage or "files"}
    _log.info("starting", extra={"version": __version__, **told})
    if revisions:
        _log.info("migrated", extra={"to": revisions[-1]})
