"""The product's parts inside the test's own process, for what cannot be seen or steered from outside.

Where several parts are opened on the same settings they meet as processes of their own would: each has its own connections.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from entrepot.app.parts import Parts, database
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.registry.service.uploads import Body
from entrepot.platform.db.database import Database
from entrepot.platform.db.migrate import ensure_sqlite, run_postgresql
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support.stores import pieces

FILE: Final = "entrepot.db"


def prepared(data: Path, database_url: str, storage: str = "") -> Settings:
    """Make a data folder and a database of the newest schema; the store's place is made by `parts` when it is needed.

    Access is open: who may do what has tests of its own.
    """
    data.mkdir(parents=True, exist_ok=True)
    if database_url:
        run_postgresql(database_url)
    else:
        ensure_sqlite(data / FILE)
    return Settings(data=str(data), database=database_url, storage=storage, access="open")


def neighbour(place: Settings) -> Settings:
    """Return the settings of another node of the same registry: with its own data folder, unless the blobs lie there."""
    return msgspec.structs.replace(place, data=f"{place.data}-of-another-node") if place.storage else place


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the database that the settings name."""
    db = database(settings)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def parts(settings: Settings) -> AsyncIterator[Parts]:
    """Open all parts."""
    whole = Parts(settings)
    await whole.storage.prepare()
    await whole.open()
    try:
        yield whole
    finally:
        await whole.close()


async def sql(settings: Settings, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement with `$1`, `$2` … on a connection of its own, commit it and return its rows."""
    if settings.database:
        connection = await asyncpg.connect(settings.database)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()
    return await asyncio.to_thread(_sqlite, Path(settings.data) / FILE, statement, values)


def _sqlite(file: Path, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        return connection.execute(statement, {str(place): value for place, value in enumerate(values, 1)}).fetchall()


def received(settings: Settings, handle: str) -> int:
    """Return how many bytes of an upload lie in its file, recorded or not."""
    return (Path(settings.data) / "uploads" / handle).stat().st_size


async def push_blob(whole: Parts, repository: str, content: bytes) -> Digest:
    """Push a blob by the product's own verbs."""
    name, digest = RepositoryName.parse(repository), Digest.of(content)
    upload = await whole.registry.uploads.start(ANYONE, name, digest.algorithm)
    await whole.registry.uploads.finish(ANYONE, name, upload.id, digest, Body(pieces(content)))
    return digest
