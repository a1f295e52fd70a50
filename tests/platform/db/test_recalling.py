"""An answer that is spared is never older than the last commit, of whatever process and connection."""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Column, MetaData, Table, Text, bindparam, update

from entrepot.base.settings import Settings
from entrepot.platform.db.columns import UNRECALLED
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.snapshot import Snapshot
from entrepot.platform.db.statements import Statement
from support.parts import FILE, opened
from support.shelf import HELD, adding, growing, make_shelf

MANY: Final = 200


class Held(msgspec.Struct, frozen=True):
    """What a row of the shelf holds."""

    held: int

    @property
    def weight(self) -> int:
        return 100


class Counting:
    """A query that counts how often it is really run."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, db: Reader, name: str) -> Held | None:
        self.runs += 1
        row = await db.one(HELD, name=name)
        return Held(row[0]) if row else None


def test_every_commit_is_seen_at_once(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        query = Counting()
        async with opened(place) as db, opened(place) as other:
            await db.write(adding("row"))
            # By the same connection's process, and by another one as another process has it.
            by: list[Callable[[], object]] = [lambda: db.write(growing("row")), lambda: other.write(growing("row"))]
            for number in range(MANY):
                found = await db.recall(query, "row")
                assert found == await other.recall(query, "row") == Held(number)
                assert await db.recall(query, "other") is None
                await by[number % 2]()  # type: ignore[misc]  # each returns something to wait for
            await db.write(adding("other", 7))
            assert await other.recall(query, "other") == Held(7)

    asyncio.run(scenario())


def test_what_no_recalled_query_reads_leaves_all_that_was_recalled(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path))
    quiet = Table("shelf", MetaData(), Column("name", Text), info=UNRECALLED)  # as if no query read it
    asked = Statement(update(quiet).values(name=bindparam("new")).where(quiet.c.name == bindparam("old")))

    async def body(tx: Transaction) -> None:
        await tx.run(asked, old="unread", new="unread")

    async def loud_too(tx: Transaction) -> None:
        await body(tx)
        await growing("row")(tx)

    async def scenario() -> None:
        await make_shelf(place)
        query = Counting()
        async with opened(place) as db, opened(place) as other:
            await db.write(adding("row", 3))
            await db.write(adding("unread"))
            for by in (db, other):
                for _ in range(3):
                    assert await db.recall(query, "row") == Held(3)
                    await by.write(body, durable=False)
            assert await db.recall(query, "row") == Held(3)
            assert query.runs == 1
            await other.write(loud_too)
            assert await db.recall(query, "row") == Held(4)
            assert query.runs == 2

    asyncio.run(scenario())


def test_without_a_commit_sqlite_is_asked_once(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path))

    async def scenario() -> None:
        await make_shelf(place)
        query = Counting()
        async with opened(place) as db:
            await db.write(adding("row", 3))
            for _ in range(MANY):
                assert await db.recall(query, "row") == Held(3)
                assert await db.recall(query, "nothing") is None
            assert query.runs == 2, "what is not there is remembered too: the time tells nobody what is hidden"
            await db.write(growing("row"), durable=False)
            assert await db.recall(query, "row") == Held(4)

    asyncio.run(scenario())


def test_a_write_that_was_answered_is_seen_by_every_reader_that_begins_after(tmp_path: Path) -> None:
    """One process writes as fast as it can and says what it was answered; another one, in a thread, asks all the time."""
    answered, stop, place = [0], threading.Event(), Settings(data=str(tmp_path))

    async def write() -> None:
        async with opened(place) as db:
            while not stop.is_set():
                await db.write(growing("row"), durable=False)
                answered[0] += 1

    async def read() -> int:
        query = Counting()
        async with opened(place) as db:
            for _ in range(20_000):
                before = answered[0]
                found = await db.recall(query, "row")
                assert found is not None
                assert found.held >= before
        return query.runs

    async def prepare() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("row"))

    asyncio.run(prepare())
    writer = threading.Thread(target=lambda: asyncio.run(write()))
    writer.start()
    try:
        assert asyncio.run(read()) < 20_000, "nothing was recalled, so nothing was tried"
    finally:
        stop.set()
        writer.join()
    assert answered[0] > 0


def test_the_header_that_is_looked_at_is_that_of_the_documentation(tmp_path: Path) -> None:
    """Of SQLite's own making: the counter grows with each commit, the two copies agree, and a rollback changes nothing."""
    file = tmp_path / FILE
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS counted (n)")
        snapshot = Snapshot(file)
        states = []
        for number in range(3):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO counted VALUES (?)", [number])
            before = snapshot.state()
            assert before is not None
            connection.execute("ROLLBACK" if number == 1 else "COMMIT")
            after = snapshot.state()
            assert after is not None
            assert (after == before) == (number == 1)
            states.append(int.from_bytes(after[8:12], sys.byteorder))
        assert states[0] == states[1] == states[2] - 1
    snapshot.close()
    assert snapshot.state() is None


def test_where_nothing_can_be_told_everything_is_asked(tmp_path: Path) -> None:
    assert Snapshot(tmp_path / "nothing").state() is None
