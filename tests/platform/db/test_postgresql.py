"""What PostgreSQL alone has: a pool that reads and writes share, and a server that may refuse."""

import asyncio
import time
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from sqlalchemy import text

from entrepot.base.settings import Settings
from entrepot.platform.db.database import DatabaseUnavailable, answers
from entrepot.platform.db.statements import Statement
from support.parts import opened, sql
from support.postgres import Cluster
from support.shelf import adding, everything, growing, make_shelf

WRITES: Final = 40
SLEEPING: Final = Statement(text("SELECT pg_sleep(19)"))
HELD_S: Final = 7.0  # longer than anyone waits for a connection


@pytest.fixture
def place(postgres: Cluster, tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path), database=postgres.new_database())


def name_of(place: Settings) -> str:
    return place.database.rpartition("/")[2]


def test_writes_that_wait_for_a_row_leave_connections_to_reads_and_all_succeed(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        other = await asyncpg.connect(place.database)
        async with opened(place) as db:
            await db.write(adding("shared"))
            transaction = other.transaction()
            await transaction.start()
            await other.execute("UPDATE shelf SET held = 0")
            writes = [asyncio.create_task(db.write(growing("shared"))) for _ in range(WRITES)]
            end, waits = time.monotonic() + HELD_S, []
            while time.monotonic() < end:
                began = time.monotonic()
                assert await db.read(everything) == {"shared": 0}
                waits.append(time.monotonic() - began)
                await asyncio.sleep(0.1)
            await transaction.rollback()
            assert await asyncio.gather(*writes) == [1] * WRITES
            assert await db.read(everything) == {"shared": WRITES}
            assert max(waits) < 1
        await other.close()

    asyncio.run(scenario())


def test_writes_that_were_cancelled_while_they_waited_give_their_turn_back(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("shared"))
            for number in range(WRITES):
                tasks = [asyncio.create_task(db.write(growing("shared"))) for _ in range(8)]
                for _ in range(number % 7):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            async with asyncio.timeout(20):
                assert await asyncio.gather(*(db.write(growing("shared")) for _ in range(WRITES))) == [1] * WRITES

    asyncio.run(scenario())


def test_what_was_given_up_the_server_ends_and_does_not_do_twice_at_once(place: Settings) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(19)'"

    async def scenario() -> None:
        async with opened(place) as db:
            reading = asyncio.create_task(db.read(lambda reader: reader.all(SLEEPING)))
            await asyncio.sleep(0.3)
            db._drop(())  # type: ignore[attr-defined]  # as the watch does when nothing is answered for long
            await asyncio.sleep(1)
            assert await sql(place, running) == [(1,)], "the one that is done anew"
            reading.cancel()
            await asyncio.wait([reading])

    asyncio.run(scenario())


def test_a_database_that_is_not_there_is_unavailable(place: Settings) -> None:
    async def scenario() -> None:
        with pytest.raises(DatabaseUnavailable):
            async with opened(Settings(data=place.data, database=f"{place.database}_renamed")):
                pass

    asyncio.run(scenario())


def test_a_database_that_is_not_ours_to_enter_is_unavailable(postgres: Cluster, place: Settings) -> None:
    role = f"stranger_{name_of(place)}"
    postgres.query(f"CREATE ROLE {role} LOGIN")
    postgres.query(f"REVOKE CONNECT ON DATABASE {name_of(place)} FROM PUBLIC")

    async def scenario() -> None:
        with pytest.raises(DatabaseUnavailable):
            async with opened(Settings(data=place.data, database=place.database.replace("entrepot@", f"{role}@"))):
                pass

    asyncio.run(scenario())


def test_a_server_that_takes_no_writes_any_more_is_unavailable_for_them(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        await sql(place, f"ALTER DATABASE {name_of(place)} SET default_transaction_read_only = on")
        async with opened(place) as db:
            with pytest.raises(DatabaseUnavailable):
                await db.write(adding("late"))
            assert await db.read(answers)

    asyncio.run(scenario())
