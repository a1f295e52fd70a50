"""SQLite on a disk that becomes full: the ballast is thrown off, and the very write that met it succeeds; the log stays short."""

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db.database import DatabaseFull, Reader
from entrepot.platform.db.sqlite import SqliteDatabase
from entrepot.platform.disk.ballast import Ballast
from support.disks import fill
from support.shelf import HELD, adding, everything, growing, make_shelf
from support.tools import missing

MIB = 1 << 20
LOG_BOUND = 64 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    yield from mounted(tmp_path / "small", 32)


def mounted(folder: Path, size_mib: int) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"a small file system can be mounted by root only: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_writes_that_meet_a_full_disk_succeed_by_the_ballast(disk: Path) -> None:
    place, ballast = Settings(data=str(disk)), Ballast(disk)

    async def scenario() -> None:
        await make_shelf(place)
        async with AsyncExitStack() as stack:
            dbs = [SqliteDatabase(disk / "entrepot.db", lambda certain: Ballast(disk).relieve(certain=certain)) for _ in range(3)]
            for db in dbs:
                await db.open()
                stack.push_async_callback(db.close)
            ballast.look()
            assert ballast.held_bytes() == 2 * MIB
            await dbs[0].write(adding("kept"))
            fill(disk / "others")
            written = [db.write(adding(f"{number} {'x' * 2000}")) for number, db in enumerate(dbs * 10)]
            assert await asyncio.gather(*written) == [1] * 30
            assert ballast.held_bytes() == 0
            assert len(await dbs[1].read(everything)) == 31

    asyncio.run(scenario())


def test_a_disk_without_any_room_left_is_said_to_be_full(disk: Path) -> None:
    place = Settings(data=str(disk))

    async def scenario() -> None:
        await make_shelf(place)
        db = SqliteDatabase(disk / "entrepot.db", lambda certain: Ballast(disk).relieve(certain=certain))
        await db.open()
        await db.write(adding("kept"))
        fill(disk / "others")
        with pytest.raises(DatabaseFull) as refused:
            await asyncio.gather(*[db.write(adding(f"{number} {'x' * 3000}")) for number in range(400)])
        assert refused.value.message == (
            "the disk of the registry's database is full, so that nothing can be changed: its administrator must make room; "
            "try again in 5 seconds"
        )
        assert "kept" in await db.read(everything)
        (disk / "others").unlink()
        assert await db.write(growing("kept")) == 1
        await db.close()

    asyncio.run(scenario())


def test_a_database_that_is_not_there_is_not_begun_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(Exception, match="the registry's database is not available"):
            await SqliteDatabase(tmp_path / "entrepot.db").open()

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_the_log_stays_short_while_many_write_and_read(tmp_path: Path) -> None:
    asyncio.run(make_shelf(Settings(data=str(tmp_path))))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(tmp_path, number)) for number in range(3)]
    for process in processes:
        process.start()
    longest = 0
    while any(process.is_alive() for process in processes):
        log = tmp_path / "entrepot.db-wal"
        longest = max(longest, log.stat().st_size if log.exists() else 0)
        time.sleep(0.01)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert MIB < longest < LOG_BOUND, longest


def test_the_log_is_emptied_once_a_long_reader_has_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        await make_shelf(Settings(data=str(tmp_path)))
        db = SqliteDatabase(tmp_path / "entrepot.db")
        await db.open()
        await db.write(adding("first"))
        reader = sqlite3.connect(tmp_path / "entrepot.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        slowest = 0.0
        for number in range(45):
            began = time.monotonic()
            await db.write(adding(f"{number}" + "x" * MIB))
            slowest = max(slowest, time.monotonic() - began)
        log = tmp_path / "entrepot.db-wal"
        assert log.stat().st_size > 40 * MIB, "while somebody reads in it, nothing of it can be taken away"
        assert slowest < 5, "nobody waits for the reader"
        reader.close()
        await asyncio.sleep(1)
        for number in range(45, 60):
            await db.write(adding(f"{number}" + "x" * MIB))
        assert log.stat().st_size < 32 * MIB
        await db.close()

    asyncio.run(scenario())


@pytest.fixture
def larger_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MiB."""
    yield from mounted(tmp_path / "larger", 160)


def test_a_log_that_cannot_be_emptied_for_lack_of_room_is_not_tried_with_each_commit(larger_disk: Path) -> None:
    log, others = larger_disk / "entrepot.db-wal", larger_disk / "others"

    async def scenario() -> None:
        await make_shelf(Settings(data=str(larger_disk)))
        db = SqliteDatabase(larger_disk / "entrepot.db")
        await db.open()
        await db.write(adding("first"))
        reader = sqlite3.connect(larger_disk / "entrepot.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        for number in range(35):
            await db.write(adding(f"{number}" + "x" * MIB))
        fill(others)
        os.truncate(others, others.stat().st_size - MIB)
        reader.close()
        await asyncio.sleep(1)
        await db.write(adding("in vain"))
        others.unlink()
        await db.write(adding("too soon"))
        assert log.stat().st_size > 32 * MIB
        await asyncio.sleep(1)
        await db.write(adding("at last"))
        assert log.stat().st_size < 32 * MIB
        await db.close()

    asyncio.run(scenario())


def work(folder: Path, number: int) -> None:
    """Write 100 KiB at a time and read as often as can be, on one event loop as a web process does."""

    async def scenario() -> None:
        db = SqliteDatabase(folder / "entrepot.db")
        await db.open()

        ending = time.monotonic() + 4

        async def read() -> None:
            while time.monotonic() < ending:
                await db.read(held, str(number))
                await asyncio.sleep(0)

        async def write() -> None:
            for count in range(400):
                if time.monotonic() < ending:
                    await db.write(adding(f"{number}-{count}" + "x" * 100_000))

        await asyncio.gather(read(), write())
        await db.close()

    asyncio.run(scenario())


async def held(db: Reader, name: str) -> bool:
    return await db.one(HELD, name=name) is not None
