"""Work for background jobs: rows and files that nobody needs, made beside a server, so many that a job is busy for seconds."""

import asyncio
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from entrepot.base.settings import Settings
from entrepot.domain.registry.events import Collect, DeleteCondemned, DeleteOrphans, ExpireUploads, Scrub
from entrepot.platform.jobs import Job, Prune
from support.parts import FILE, sql

_FIRST_ID: Final = 1 << 40  # far from the ids that the database gives
_REPOSITORY: Final = 1 << 40
_FOLDER: Final = "blobs/sha256/00"
_OLD_S: Final = 2 * 3600
_FILE: Final = b"x"
_numbers: Final = itertools.count(_FIRST_ID)
Rows = list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Chore:
    """A kind of job, and what makes work for it: `count` of whatever it looks at."""

    name: str
    job: Job
    make: Callable[[Settings, int], None]
    count: int


def _insert(place: Settings, table: str, columns: Sequence[str], rows: Rows) -> None:
    if place.database:
        asyncio.run(_copy(place.database, table, columns, rows))
        return
    marks = ", ".join("?" for _ in columns)
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own words
    with closing(sqlite3.connect(Path(place.data) / FILE, timeout=30)) as connection, connection:
        connection.executemany(statement, rows)


async def _copy(database: str, table: str, columns: Sequence[str], rows: Rows) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.copy_records_to_table(table, records=rows, columns=list(columns))
        await connection.execute(f"ANALYZE {table}")
    finally:
        await connection.close()


def _files(place: Settings, folder: str, names: Sequence[str], *, old: bool) -> None:
    above, then = Path(place.data) / folder, time.time() - _OLD_S
    above.mkdir(parents=True, exist_ok=True)
    for name in names:
        (above / name).write_bytes(_FILE)
        if old:
            os.utime(above / name, (then, then))


def _blobs(place: Settings, count: int, condemned_at: int | None) -> list[int]:
    ids = [next(_numbers) for _ in range(count)]
    rows: Rows = [(each, f"sha256:{each:064x}", 1, f"{_FOLDER}/{each:064x}.bench", 1, condemned_at) for each in ids]
    _insert(place, "blob", ("id", "digest", "size", "storage_key", "created_at", "condemned_at"), rows)
    return ids


def _links(place: Settings, count: int) -> None:
    """Links that no manifest names, of blobs that no other repository has."""
    if not asyncio.run(sql(place, "SELECT 1 FROM repository WHERE id = $1", _REPOSITORY)):
        namespace = asyncio.run(sql(place, "SELECT min(id) FROM namespace"))[0][0]
        columns = ("id", "namespace", "name", "visibility", "created_at")
        _insert(place, "repository", columns, [(_REPOSITORY, namespace, "bench/garbage", "public", 1)])
    ids = _blobs(place, count, None)
    _insert(place, "repository_blob", ("repository", "blob", "touched_at"), [(_REPOSITORY, each, 1) for each in ids])


def _condemned(place: Settings, count: int) -> None:
    ids = _blobs(place, count, 1)
    _files(place, _FOLDER, [f"{each:064x}.bench" for each in ids], old=False)


def _uploads(place: Settings, count: int) -> None:
    repository = asyncio.run(sql(place, "SELECT min(id) FROM repository"))[0][0]
    handles = [f"bench{next(_numbers)}" for _ in range(count)]
    columns = ("id", "repository", "handle", "algorithm", "received", "lease_until", "created_at", "progressed_at", "expires_at")
    _insert(place, "upload", columns, [(each, repository, each, "sha256", 0, 0, 1, 1, 1) for each in handles])
    _files(place, "uploads", handles, old=False)


def _orphans(place: Settings, count: int) -> None:
    _files(place, _FOLDER, [f"{next(_numbers):064x}.orphan" for _ in range(count)], old=True)


def _done_jobs(place: Settings, count: int) -> None:
    columns = ("id", "queue", "kind", "arguments", "state", "run_at", "attempt", "max_attempts", "lease_until")
    more = ("cancel_requested", "again", "error", "created_at", "finished_at")
    rows: Rows = [(next(_numbers), "bench", "bench.done", "{}", "done", 1, 1, 1, 0, 0, 0, "", 1, 1) for _ in range(count)]
    _insert(place, "job", (*columns, *more), rows)


def _nothing(_place: Settings, _count: int) -> None:
    """Let the job look at what the server holds."""


CHORES: Final = (
    Chore("collection", Collect(), _links, 60_000),
    Chore("deletion of condemned blobs", DeleteCondemned(), _condemned, 20_000),
    Chore("expiry of uploads", ExpireUploads(), _uploads, 20_000),
    Chore("deletion of orphans", DeleteOrphans(), _orphans, 20_000),
    Chore("pruning of jobs", Prune(), _done_jobs, 60_000),
    Chore("scrub", Scrub(), _nothing, 0),
)
