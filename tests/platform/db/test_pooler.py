"""Through a PgBouncer that gives each transaction another of three connections everything works as it does without."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from sqlalchemy import text

from entrepot.base.settings import Settings
from entrepot.platform.db.checkup import examine_postgresql
from entrepot.platform.db.database import DatabaseUnavailable, Reader, Transaction, answers
from entrepot.platform.db.migrate import REVISIONS, check_postgresql, ensure_postgresql, pending_postgresql
from entrepot.platform.db.statements import Statement
from support.parts import opened
from support.poolers import SIZE, PgBouncer
from support.postgres import Cluster
from support.shelf import GROW, SOME, adding, everything, growing

MANY: Final = 40
MADE: Final = "CREATE TABLE shelf (name TEXT PRIMARY KEY, held BIGINT NOT NULL)"
BACKEND: Final = Statement(text("SELECT pg_backend_pid()"))
HOLDS: Final = Statement(text("SELECT current_setting('idle_in_transaction_session_timeout')"))
ADVISORY_LOCK: Final = 0x656E7472  # release 0.1.0 takes it for its session


@pytest.fixture(scope="module")
def pooler(postgres: Cluster) -> Iterator[PgBouncer]:
    with PgBouncer(postgres.port) as pooler:
        yield pooler


@pytest.fixture
def own(postgres: Cluster) -> str:
    """The database's own address, past the pooler."""
    return postgres.new_database()


@pytest.fixture
def place(pooler: PgBouncer, own: str, tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path), database=pooler.url(own))


def shelf(postgres: Cluster, own: str) -> None:
    postgres.query(MADE, own.rpartition("/")[2])


def test_many_at_once_read_and_write_and_none_meets_anothers_connection(postgres: Cluster, own: str, place: Settings) -> None:
    shelf(postgres, own)
    backends: set[int] = set()

    async def reading(reader: Reader, number: int) -> int:
        row = await reader.one(BACKEND)
        backends.add(row[0] if row else 0)
        return len(await reader.all_of(SOME, [f"name {each}" for each in range(number, number + 5)]))

    async def scenario() -> None:
        async with opened(place) as one, opened(place) as other:
            await asyncio.gather(*(one.write(adding(f"name {number}")) for number in range(MANY)))
            for _ in range(4):
                grown = [db.write(growing(f"name {number}")) for db in (one, other) for number in range(MANY)]
                found = [db.read(reading, number) for db in (one, other) for number in range(MANY - 4)]
                assert await asyncio.gather(*grown) == [1] * len(grown)
                assert await asyncio.gather(*found) == [5] * len(found)
            assert await other.read(everything) == {f"name {number}": 8 for number in range(MANY)}

    asyncio.run(scenario())
    assert len(backends) == SIZE


def test_what_is_set_holds_for_one_transaction(postgres: Cluster, own: str, place: Settings) -> None:
    shelf(postgres, own)

    async def limit(tx: Reader) -> str:
        row = await tx.one(HOLDS)
        return str(row[0]) if row else ""

    async def failing(tx: Transaction) -> None:
        await tx.run(GROW, name_="a")
        raise LookupError

    async def scenario() -> None:
        async with opened(place) as db:
            await db.write(adding("a"))
            assert [await db.write(limit) for _ in range(SIZE)] == ["10s"] * SIZE
            assert await db.write(growing("a"), durable=False) == 1
            assert [await db.read(limit) for _ in range(SIZE)] == ["10s"] * SIZE, "a node may be frozen in a read, too"
            with pytest.raises(LookupError):
                await db.write(failing)
            assert await db.read(everything) == {"a": 1}
            async with asyncio.timeout(5):
                await db.changed(1)
        other = await asyncpg.connect(place.database.partition("?")[0], statement_cache_size=0)
        async with other.transaction():
            assert await other.fetchval(HOLDS.postgresql.sql) == "0"
        await other.close()

    asyncio.run(scenario())


def test_through_a_pooler_that_gives_each_session_its_own_connection_no_option_is_needed(
    postgres: Cluster, own: str, tmp_path: Path
) -> None:
    shelf(postgres, own)

    async def limit(tx: Reader) -> str:
        row = await tx.one(HOLDS)
        return str(row[0]) if row else ""

    async def scenario(place: Settings) -> None:
        async with opened(place) as db:
            assert await db.write(adding("a")) == 1
            assert await db.read(limit) == "10s"
            async with asyncio.timeout(5):
                await db.changed(1)

    with PgBouncer(postgres.port, "session") as pooler:
        asyncio.run(scenario(Settings(data=str(tmp_path), database=pooler.url(own))))


def test_nodes_that_start_at_once_migrate_once_and_all_go_on(place: Settings, own: str) -> None:
    async def scenario() -> list[list[str]]:
        assert await pending_postgresql(place.database) == list(REVISIONS)
        # More of them than the pooler has connections.
        return await asyncio.gather(*(ensure_postgresql(place.database) for _ in range(2 * SIZE)))

    done = asyncio.run(asyncio.wait_for(scenario(), 120))
    assert sorted(done) == [[]] * (2 * SIZE - 1) + [list(REVISIONS)]
    asyncio.run(check_postgresql(place.database))
    asyncio.run(check_postgresql(own))


def test_a_node_waits_for_one_of_the_release_before_that_migrates(place: Settings, own: str) -> None:
    async def scenario() -> None:
        old = await asyncpg.connect(own)
        await old.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
        waiting = asyncio.create_task(ensure_postgresql(place.database))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        await old.close()
        assert await waiting == list(REVISIONS)

    asyncio.run(scenario())


def test_a_node_that_freezes_in_a_transaction_holds_up_nobody(postgres: Cluster, own: str, place: Settings) -> None:
    shelf(postgres, own)

    async def freezing(tx: Transaction) -> None:
        await tx.run(GROW, name_="a")
        await asyncio.sleep(12)  # as if it did not run; another connection waits for the row meanwhile
        await tx.run(GROW, name_="a")

    async def scenario() -> None:
        async with opened(place) as frozen, opened(place) as db:
            await db.write(adding("a"))
            task = asyncio.create_task(frozen.write(freezing))
            await asyncio.sleep(0.5)
            async with asyncio.timeout(11.5):
                assert await db.write(growing("a")) == 1
            with pytest.raises(DatabaseUnavailable):
                await task
            assert await db.read(everything) == {"a": 1}

    asyncio.run(scenario())


def test_the_doctor_looks_through_a_pooler(place: Settings) -> None:
    found = asyncio.run(examine_postgresql(place.database, workers=os.cpu_count() or 1))
    names = [each.check for each in found]
    assert "database" in names
    assert "connections" not in names


def test_a_database_behind_a_pooler_that_goes_away_is_away_and_comes_back(tmp_path: Path) -> None:
    cluster = Cluster()
    try:
        with PgBouncer(cluster.port) as pooler:
            asyncio.run(_goes_and_comes(cluster, Settings(data=str(tmp_path), database=pooler.url(cluster.new_database()))))
    finally:
        cluster.remove()


async def _goes_and_comes(cluster: Cluster, place: Settings) -> None:
    async with opened(place) as db:
        assert await db.read(answers)
        cluster.kill()
        for _ in range(5):
            with pytest.raises(DatabaseUnavailable):
                await db.read(answers)
        cluster.start()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await db.read(answers)
                except DatabaseUnavailable:
                    await asyncio.sleep(0.1)
                else:
                    return
