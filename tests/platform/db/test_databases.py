"""What both databases promise: what a write commits and when, who sees it, and what a failing body leaves."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from entrepot.base.settings import Settings
from entrepot.platform.db.database import DatabaseUnavailable, Transaction, answers
from entrepot.platform.db.sqlite import BodySuspended, SqliteDatabase
from entrepot.platform.db.statements import Statement
from support.parts import opened, sql
from support.shelf import ADD, HELD, SOME, adding, everything, growing, make_shelf
from support.tools import PROJECT

GROW_IN_A_PROCESS: Final = """
import asyncio, sys
from entrepot.base.settings import Settings
from support.parts import opened
from support.shelf import growing

async def main(data, database, times):
    async with opened(Settings(data=data, database=database)) as db:
        await asyncio.gather(*(db.write(growing("shared")) for _ in range(int(times))))

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_write_is_committed_when_it_returns(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            for number in range(20):
                assert await db.write(adding(f"row-{number}", number)) == 1
                # Another connection sees only what is committed.
                assert await sql(place, "SELECT held FROM shelf WHERE name = $1", f"row-{number}") == [(number,)]

    asyncio.run(scenario())


def test_a_body_that_fails_undoes_its_own_work_only(place: Settings) -> None:
    async def failing(tx: Transaction) -> None:
        await tx.run(ADD, name="half", held=1)
        raise LookupError("half of it")

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            # Begun together, so that on SQLite they share a transaction.
            bodies = [failing if number % 3 == 0 else adding(f"row-{number:03}") for number in range(150)]
            ended = await asyncio.gather(*(db.write(body) for body in bodies), return_exceptions=True)
            assert {type(each) for each in ended[::3]} == {LookupError}
            assert {each for place_, each in enumerate(ended) if place_ % 3} == {1}
            assert sorted(await db.read(everything)) == [f"row-{number:03}" for number in range(150) if number % 3]

    asyncio.run(scenario())


def test_a_row_that_breaks_a_rule_undoes_its_own_body_only(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            ended = await asyncio.gather(*(db.write(adding(name)) for name in ("a", "a", "b")), return_exceptions=True)
            assert sorted(isinstance(each, Exception) for each in ended) == [False, False, True]
            assert await db.read(everything) == {"a": 0, "b": 0}

    asyncio.run(scenario())


def test_a_body_sees_what_it_wrote_and_others_do_not_until_it_ends(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:

            async def body(tx: Transaction) -> object:
                await tx.run(ADD, name="mine", held=7)
                return await tx.one(HELD, name="mine")

            found = await db.write(body)
            assert found is not None
            assert tuple(found) == (7,)  # type: ignore[arg-type]  # a driver's own row

    asyncio.run(scenario())


def test_reads_see_what_another_process_committed(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.read(everything) == {}
            for number in range(3):
                await sql(place, "INSERT INTO shelf VALUES ($1, $2)", f"row-{number}", number)
                assert len(await db.read(everything)) == number + 1

    asyncio.run(scenario())


def test_writers_of_several_processes_lose_nothing(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        await sql(place, "INSERT INTO shelf VALUES ('shared', 0)")
        children = [_grow_in_a_process(place) for _ in range(2)]
        async with opened(place) as db:
            await asyncio.gather(*(db.write(growing("shared")) for _ in range(100)))
        assert [await asyncio.to_thread(child.wait, 60) for child in children] == [0, 0]
        assert await sql(place, "SELECT held FROM shelf") == [(300,)]

    asyncio.run(scenario())


def _grow_in_a_process(place: Settings) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-c", GROW_IN_A_PROCESS, place.data, place.database, "100"]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": f"{PROJECT / 'src'}:{PROJECT / 'tests'}"})


def test_lists_of_any_length_find_all_their_rows(place: Settings) -> None:
    names = [f"row-{number:04}" for number in range(1203)]

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:

            async def fill(tx: Transaction) -> None:
                await tx.many(ADD, [{"name": name, "held": 0} for name in names])

            await db.write(fill)
            for count in (0, 1, 2, 3, 499, 500, 501, 1203):
                wanted = [*names[:count], "not there", *names[:2]]
                found = await db.read(lambda reader, wanted=wanted: reader.all_of(SOME, wanted))  # type: ignore[misc]
                assert sorted(row[0] for row in found) == sorted(set(wanted) - {"not there"})

    asyncio.run(scenario())


def test_a_caller_that_is_cancelled_leaves_no_open_transaction(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        await sql(place, "INSERT INTO shelf VALUES ('shared', 0)")
        async with opened(place) as db:
            for number in range(40):
                task = asyncio.create_task(db.write(growing("shared")))
                for _ in range(number % 5):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            # More than any pool has connections: each would wait for the row if one still held it.
            async with asyncio.timeout(20):
                assert await asyncio.gather(*(db.write(growing("shared")) for _ in range(30))) == [1] * 30
            assert 30 <= (await db.read(everything))["shared"] <= 70

    asyncio.run(scenario())


def test_closing_waits_for_what_runs_and_tells_the_others(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            writes = [asyncio.create_task(db.write(adding(f"row-{number}"))) for number in range(10)]
            await asyncio.sleep(0)
        ended = await asyncio.gather(*writes, return_exceptions=True)
        assert await sql(place, "SELECT count(*) FROM shelf") == [(ended.count(1),)]
        assert ended.count(1) > 0

    asyncio.run(scenario())


def test_a_write_that_need_not_be_durable_is_seen_like_any_other(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.write(adding("soft"), durable=False) == 1
            assert await sql(place, "SELECT name FROM shelf") == [("soft",)]
            assert await db.read(answers)

    asyncio.run(scenario())


def test_on_sqlite_a_row_that_is_no_text_fails_for_who_reads_it_alone(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path))

    async def reading(tx: Transaction) -> None:
        await everything(tx)

    async def scenario() -> None:
        await make_shelf(place)
        await sql(place, "INSERT INTO shelf VALUES (CAST(x'ff' AS TEXT), 0)")
        async with opened(place) as db, asyncio.timeout(10):
            ended = await asyncio.gather(db.write(adding("a")), db.write(reading), db.write(adding("b")), return_exceptions=True)
            assert (ended[0], type(ended[1]), ended[2]) == (1, sqlite3.OperationalError, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("where", ["body", "relieve"])
def test_on_sqlite_whatever_goes_wrong_is_told_and_the_next_write_succeeds(tmp_path: Path, where: str) -> None:
    """As when there is no memory, which cannot be had on purpose at each of these places."""

    def relieve(_certain: bool) -> bool:  # noqa: FBT001 - the form of all that relieve
        raise MemoryError

    async def odd(tx: Transaction) -> None:
        await tx.one(Statement(text("PRAGMA max_page_count = 1")))  # from now on the disk is full
        await tx.run(ADD, name="x" * 100_000, held=0)

    async def ending(tx: Transaction) -> None:
        await tx.run(ADD, name="half", held=0)
        raise asyncio.CancelledError

    async def roomy(tx: Transaction) -> int:
        await tx.one(Statement(text("PRAGMA max_page_count = 10000")))
        return await tx.run(ADD, name="next", held=0)

    async def scenario() -> None:
        await make_shelf(Settings(data=str(tmp_path)))
        db = SqliteDatabase(tmp_path / "entrepot.db", relieve)
        await db.open()
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseUnavailable):
                await db.write(odd if where == "relieve" else ending)
            assert await db.write(roomy) == 1
            assert await db.read(everything) == {"next": 0}
        await db.close()

    asyncio.run(scenario())


def test_on_sqlite_a_body_that_awaits_something_else_is_a_mistake_and_changes_nothing(tmp_path: object) -> None:
    place = Settings(data=str(tmp_path))

    async def sleepy(tx: Transaction) -> None:
        await tx.run(ADD, name="half", held=1)
        await asyncio.sleep(0)

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            ended = await asyncio.gather(db.write(adding("a")), db.write(sleepy), db.write(adding("b")), return_exceptions=True)
            assert isinstance(ended[1], BodySuspended)
            assert await db.read(everything) == {"a": 0, "b": 0}

    asyncio.run(scenario())
