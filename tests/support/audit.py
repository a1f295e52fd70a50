"""The audit log in the test's process: acts, their chain, and hands that reach past the product into its tables."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

import asyncpg

from entrepot.app.audit import Audit, audit
from entrepot.app.parts import key_file
from entrepot.base.settings import Settings
from entrepot.domain.audit.model import Act, Author, Event, Origin, Wanted, done
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.secrets.keys import ensure_key
from support.parts import FILE, opened

ANN: Final = Author("ann", "the-token", Origin("192.0.2.77"))
_TABLES: Final = ("audit_event", "audit_chain", "audit_anchor")
_T = TypeVar("_T")


def with_audit(place: Settings, scenario: Callable[[Audit, Database], Awaitable[_T]]) -> _T:
    """Run a scenario with the log of a place."""

    async def run() -> _T:
        ensure_key(key_file(place))
        async with opened(place) as db:
            return await scenario(audit(db, place), db)

    return asyncio.run(run())


async def act(db: Database, *names: str, by: Author = ANN) -> None:
    """Record that users were made, each in a transaction of its own."""
    for name in names:

        async def body(tx: Transaction, name: str = name) -> None:
            await record(tx, by, done(Act.USER_ADD, name, {"administrator": False}))

        await db.write(body)


async def everything(log: Audit) -> list[Event]:
    """Return all rows, newest first."""
    return await log.reading.newest(Wanted(), 1000)


def update(change: str, where: str) -> str:
    """Return the statement that changes rows behind the product's back."""
    return f"UPDATE audit_event SET {change} WHERE {where}"  # noqa: S608 - of the tests' own


def delete(where: str) -> str:
    """Return the statement that deletes rows behind the product's back."""
    return f"DELETE FROM audit_event WHERE {where}"  # noqa: S608


async def script(place: Settings, *statements: str) -> None:
    """Run statements on one connection."""
    if place.database:
        connection = await asyncpg.connect(place.database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()
    else:
        await asyncio.to_thread(_on_sqlite, Path(place.data) / FILE, statements)


def _on_sqlite(file: Path, statements: Sequence[str]) -> None:
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def keep(place: Settings) -> None:
    """Keep a copy of what the tables hold, in the same database."""
    await script(place, *(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}" for table in _TABLES))  # noqa: S608 - our own


async def restore(place: Settings) -> None:
    """Let the tables hold what was kept."""
    own = "OVERRIDING SYSTEM VALUE " if place.database else ""
    steps: list[str] = []
    for table in _TABLES:
        with_ids = own if table == "audit_event" else ""
        steps += [f"DELETE FROM {table}", f"INSERT INTO {table} {with_ids}SELECT * FROM kept_{table}"]  # noqa: S608
    await script(place, *steps)


async def audit_history(log: Audit, place: Settings) -> None:
    """Run every statement of the log once: after other scenarios, whose acts wait for the chain."""
    assert await log.sequencer.catch_up() > 0
    assert await log.anchors.make()
    verdict = await log.checker.check()
    assert (verdict.bad, verdict.anchored, verdict.waiting) == (None, verdict.last, 0)
    for wanted in (Wanted(), Wanted("the hub", "team.add", "crew")):
        assert len(await log.reading.newest(wanted, 2)) >= 1
        assert [event async for event in log.reading.export(wanted)]
    await script(
        place,
        "UPDATE audit_event SET happened_at = happened_at - 91 * 86400000000 WHERE position = 1",
        "UPDATE audit_event SET address = '192.0.2.1', address_salt = address_mark WHERE position = 1",
        "UPDATE audit_anchor SET made_at = 1",
    )
    assert await log.upkeep.cut_addresses(90) == 1
    assert await log.upkeep.prune(1) == verdict.last
