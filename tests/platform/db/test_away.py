"""A database that goes away is said to be unavailable, and is used again as soon as it is back."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from entrepot.base.settings import Settings
from entrepot.platform.db.database import DatabaseAway, DatabaseUnavailable, Transaction, answers
from entrepot.platform.db.statements import Statement
from support.parts import opened, sql
from support.postgres import Cluster
from support.shelf import ADD, GROW, adding, everything, growing, make_shelf
from support.tools import missing


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that may be stopped: that of the other tests must not be."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path), database=cluster.new_database())


async def until_it_answers(db: object) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await db.read(answers)  # type: ignore[attr-defined]  # any of the two databases
            except DatabaseUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_went_away_is_unavailable_and_used_again_when_it_is_back(
    cluster: Cluster, place: Settings, how: str
) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.write(adding("before")) == 1
            await asyncio.to_thread(getattr(cluster, how))
            try:
                for attempt in (db.read(answers), db.write(adding("while it is away")), db.read(everything)):
                    with pytest.raises(DatabaseUnavailable):
                        await attempt
                with pytest.raises(DatabaseUnavailable):
                    async with opened(place):
                        pass
            finally:
                cluster.start()
            await until_it_answers(db)
            assert await db.write(adding("after")) == 1
            assert sorted(await db.read(everything)) == ["after", "before"]

    asyncio.run(scenario())


def test_a_standby_is_away_until_it_takes_writes(cluster: Cluster, place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.write(adding("before")) == 1
            cluster.demote()
            for attempt in (db.read(everything), db.write(adding("while it is none")), db.read(answers)):
                with pytest.raises(DatabaseAway):
                    await attempt
            with pytest.raises(DatabaseUnavailable):
                async with opened(place):
                    pass
            cluster.promote()
            await until_it_answers(db)
            assert await db.write(adding("after")) == 1
            assert sorted(await db.read(everything)) == ["after", "before"]

    asyncio.run(scenario())


def test_who_waits_for_work_at_a_standby_leaves_no_connection_there(cluster: Cluster, place: Settings) -> None:
    listeners = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'entrepot listener'"

    async def scenario() -> None:
        async with opened(place) as db:
            cluster.demote()
            for _ in range(5):
                with pytest.raises(DatabaseUnavailable):
                    await db.changed(1)
            assert await sql(place, listeners) == [(0,)]
            cluster.promote()
            await until_it_answers(db)
            await db.changed(1)

    asyncio.run(scenario())


def test_a_connection_that_the_server_ends_is_replaced(place: Settings) -> None:
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'entrepot'"

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.write(adding("before")) == 1
            await sql(place, ending)
            await until_it_answers(db)
            assert await db.write(adding("after")) == 1

    asyncio.run(scenario())


def test_two_writes_that_block_one_another_both_succeed(place: Settings) -> None:
    tries = {"a": 0, "b": 0}

    async def scenario() -> None:
        await make_shelf(place)
        both_hold_one = asyncio.Barrier(2)
        async with opened(place) as db:
            await asyncio.gather(db.write(adding("a")), db.write(adding("b")))

            async def crossing(tx: Transaction, first: str, second: str) -> None:
                tries[first] += 1
                await tx.run(GROW, name_=first)
                if tries[first] == 1:
                    await both_hold_one.wait()
                await tx.run(GROW, name_=second)

            await asyncio.gather(db.write(lambda tx: crossing(tx, "a", "b")), db.write(lambda tx: crossing(tx, "b", "a")))
            assert await db.read(everything) == {"a": 2, "b": 2}
            assert sorted(tries.values()) == [1, 2]

    asyncio.run(scenario())


@pytest.mark.parametrize(("failures", "succeeds"), [(1, True), (7, True), (8, False)])
def test_a_write_that_lost_against_another_is_tried_again_a_few_times(place: Settings, failures: int, *, succeeds: bool) -> None:
    lose = Statement(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"))
    tries = 0

    async def body(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        await tx.run(ADD, name="once", held=tries)
        if tries <= failures:
            await tx.all(lose)

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            if succeeds:
                await db.write(body)
                assert await db.read(everything) == {"once": failures + 1}
            else:
                with pytest.raises(DatabaseUnavailable):
                    await db.write(body)
                assert await db.read(everything) == {}
            assert tries == min(failures + 1, 8)

    asyncio.run(scenario())


@pytest.mark.parametrize("code", ["53100", "58030", "25006"], ids=["full", "broken", "read-only"])
def test_what_the_disk_of_a_server_does_makes_it_unavailable(place: Settings, code: str) -> None:
    say = Statement(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))

    async def body(tx: Transaction) -> None:
        await tx.all(say)

    async def scenario() -> None:
        async with opened(place) as db:
            for attempt in (db.write(body), db.read(lambda reader: reader.all(say))):
                with pytest.raises(DatabaseUnavailable):
                    await attempt
            assert await db.read(answers)

    asyncio.run(scenario())


def test_sqlite_on_a_full_disk_is_unavailable_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"a small file system can be mounted by root only: {done.stderr.strip()}")
    place = Settings(data=str(folder))

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            assert await db.write(adding("kept")) == 1
            ballast = folder / "ballast"
            _fill(ballast)
            refused = [await _ends(db.write(adding("x" * 3000 + str(number)))) for number in range(40)]
            assert DatabaseUnavailable in refused
            ballast.unlink()
            assert await db.write(growing("kept")) == 1
            assert len(await db.read(everything)) == 1 + refused.count(int)

    try:
        asyncio.run(scenario())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "entrepot.db").write_bytes(b"This is not a database. " * 1000)

    async def scenario() -> None:
        with pytest.raises(DatabaseUnavailable):
            async with opened(Settings(data=str(tmp_path))):
                pass

    asyncio.run(scenario())


def _fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


async def _ends(write: object) -> type:
    try:
        return type(await write)  # type: ignore[misc]  # a coroutine of any result
    except DatabaseUnavailable:
        return DatabaseUnavailable
