"""A PostgreSQL that does not answer is found out within seconds, once for all who ask, and so is that it answers again."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db.database import Database, DatabaseAway, DatabaseUnavailable, Transaction, answers
from entrepot.platform.db.watch import Watch
from support.lines import Line
from support.parts import opened, sql
from support.postgres import Cluster
from support.shelf import GROW, adding, everything, growing, make_shelf

FOUND_OUT_S: Final = 8.0  # four seconds are the rule
AT_ONCE_S: Final = 0.5
_FULL: Final = "ALTER ROLE {} NOSUPERUSER CONNECTION LIMIT 1"
_ENDING: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'"
IDLE_S: Final = 10.0  # after five seconds without an answer it looks, for three and a bit


class Absence:
    """A way for the server to be away, and back."""

    def __init__(self, cluster: Cluster, line: Line, how: str) -> None:
        self.begin: Callable[[], None]
        self.end: Callable[[], None]
        self.begin, self.end = {
            "killed": (cluster.kill, cluster.start),
            "frozen": (cluster.freeze, cluster.thaw),
            "cut off": (line.cut, line.mend),
        }[how]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that may be taken away: that of the other tests must not be."""
    cluster = Cluster()
    yield cluster
    cluster.thaw()
    cluster.remove()


@pytest.fixture
def line(cluster: Cluster) -> Iterator[Line]:
    with Line(cluster.port) as line:
        yield line


@pytest.fixture
def place(cluster: Cluster, line: Line, tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path), database=cluster.new_database().replace(str(cluster.port), str(line.port)))


@pytest.fixture(params=["killed", "frozen", "cut off"])
def absence(cluster: Cluster, line: Line, request: pytest.FixtureRequest) -> Absence:
    return Absence(cluster, line, request.param)


async def refused_after(attempt: Awaitable[object]) -> float:
    """Check that it is refused because the database is away, and return how long that took."""
    began = time.monotonic()
    with pytest.raises(DatabaseAway):
        await attempt
    return time.monotonic() - began


async def away_for(db: Database) -> float:
    with pytest.raises(DatabaseAway) as told:
        await db.read(answers)
    return told.value.for_s


async def back(db: Database) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await db.read(answers)
            except DatabaseUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


def test_one_finds_out_that_it_is_away_and_all_others_are_refused_at_once_until_it_is_back(
    place: Settings, absence: Absence
) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("shared"))
            await asyncio.to_thread(absence.begin)
            try:
                waits = await asyncio.gather(*(refused_after(each) for each in (db.read(answers), db.write(growing("shared")))))
                assert max(waits) < FOUND_OUT_S
                began = time.monotonic()
                for _ in range(20):
                    assert await refused_after(db.read(answers)) < AT_ONCE_S
                    assert await refused_after(db.write(growing("shared"))) < AT_ONCE_S
                    assert await refused_after(db.changed(5)) < AT_ONCE_S
                await asyncio.sleep(0.5)
                assert time.monotonic() - began < await away_for(db) < time.monotonic() - began + FOUND_OUT_S
            finally:
                absence.end()  # here: a server ends with the thread that started it
            await back(db)
            grown = (await db.read(everything))["shared"]
            assert await db.write(growing("shared")) == 1
            assert await db.read(everything) == {"shared": grown + 1}

    asyncio.run(scenario())


@pytest.mark.parametrize("absence", ["frozen"], indirect=True)
def test_everything_that_waits_when_it_goes_away_is_refused_however_much_that_is(place: Settings, absence: Absence) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        other = await asyncpg.connect(place.database)
        async with opened(place) as db:
            await db.write(adding("shared"))
            async with other.transaction():
                await other.execute("UPDATE shelf SET held = 0")
                waiting = [asyncio.create_task(refused_after(db.write(growing("shared")))) for _ in range(40)]
                await asyncio.sleep(0.5)
                await asyncio.to_thread(absence.begin)
                try:
                    waiting += [asyncio.create_task(refused_after(db.read(answers))) for _ in range(40)]
                    waits = await asyncio.gather(*waiting)
                    assert max(waits) < 0.5 + FOUND_OUT_S
                finally:
                    other.terminate()
                    absence.end()  # here: a server ends with the thread that started it
            await back(db)
            assert await db.write(growing("shared")) == 1

    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):  # the end of the other's transaction
        asyncio.run(scenario())


@pytest.mark.parametrize("absence", ["cut off"], indirect=True)
def test_a_process_that_nobody_asks_notices_too(place: Settings, absence: Absence) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await asyncio.to_thread(absence.begin)
            try:
                await asyncio.sleep(IDLE_S)
                assert await refused_after(db.read(answers)) < AT_ONCE_S
            finally:
                absence.end()  # here: a server ends with the thread that started it
            await back(db)

    asyncio.run(scenario())


def test_a_read_whose_connection_the_server_ended_is_done_on_another(place: Settings) -> None:
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'entrepot'"

    async def scenario() -> None:
        async with opened(place) as db:
            for _ in range(5):
                asleep = [asyncio.create_task(db.read(_answers_late)) for _ in range(4)]
                await asyncio.sleep(0.2)
                await sql(place, ending)
                assert await asyncio.gather(*asleep) == [True] * 4

    asyncio.run(scenario())


@pytest.mark.parametrize("what", ["read", "write"])
def test_what_is_asked_on_connections_that_died_silently_is_done_on_new_ones_within_seconds(
    place: Settings, line: Line, what: str
) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("shared"))
            await asyncio.gather(*(db.read(_answers_late) for _ in range(8)))
            line.forget()
            began = time.monotonic()
            asked = [db.read(answers) if what == "read" else db.write(growing("shared")) for _ in range(12)]
            assert await asyncio.gather(*asked) == ([True] * 12 if what == "read" else [1] * 12)
            assert time.monotonic() - began < FOUND_OUT_S
            began = time.monotonic()
            assert await asyncio.gather(*(db.read(answers) for _ in range(8))) == [True] * 8
            assert time.monotonic() - began < 2.0, "idle ones were left"

    asyncio.run(scenario())


def test_the_kernel_ends_connections_whose_packets_nobody_acknowledges(place: Settings) -> None:
    async def sockets(reader: Any) -> list[int]:
        socket_ = reader._connection._transport.get_extra_info("socket")
        options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
        return [socket_.getsockopt(socket.IPPROTO_TCP, option) for option in options]

    async def scenario() -> None:
        async with opened(place) as db:
            assert await db.read(sockets) == [3000, 10, 3]

    asyncio.run(scenario())


def test_the_server_asks_for_lost_machines_and_keeps_nothing_for_them(place: Settings) -> None:
    async def told(reader: Any) -> list[str]:
        names = ("idle", "interval", "count")
        return [await reader._connection.fetchval(f"SHOW tcp_keepalives_{name}") for name in names]

    async def scenario() -> None:
        async with opened(place) as db:
            assert await db.read(told) == ["10", "3", "3"]

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["ALTER DATABASE {} ALLOW_CONNECTIONS false", "ALTER ROLE {} NOLOGIN", _FULL])
def test_a_server_that_lets_nobody_in_any_more_goes_on_serving_those_that_are_connected(
    cluster: Cluster, place: Settings, how: str
) -> None:
    name = place.database.rpartition("/")[2]
    cluster.query(f"CREATE ROLE {name} LOGIN SUPERUSER")
    place = msgspec.structs.replace(place, database=place.database.replace("entrepot@", f"{name}@"))

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("shared"))
            await asyncio.gather(*(db.read(_answers_late) for _ in range(8)))
            cluster.query(how.format(name))
            assert await asyncio.gather(*(db.read(_answers_late, 1.8) for _ in range(8))) == [True] * 8
            assert await db.write(growing("shared")) == 1
            cluster.query(_ENDING.format(name))
            if how != _FULL:
                await asyncio.sleep(1)
                assert await refused_after(db.read(answers)) < AT_ONCE_S
                cluster.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
                cluster.query(f"ALTER ROLE {name} LOGIN")
            await back(db)

    asyncio.run(scenario())


def test_a_server_that_is_only_slow_is_not_away(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        other = await asyncpg.connect(place.database)
        async with opened(place) as db:
            await db.write(adding("shared"))
            transaction = other.transaction()
            await transaction.start()
            await other.execute("UPDATE shelf SET held = 0")
            write = asyncio.create_task(db.write(growing("shared")))
            await asyncio.sleep(4)
            assert await db.read(answers)
            await transaction.commit()
            assert await write == 1
        await other.close()

    asyncio.run(scenario())


def test_a_look_that_is_lost_tells_nothing_while_others_are_answered() -> None:
    async def scenario() -> None:
        watch = Watch(asyncio.Event().wait, lambda _: None)
        watch.begin()
        lost = asyncio.create_task(watch.verdict())
        while not lost.done():
            async with watch.calling():
                await asyncio.sleep(0.1)
        await lost
        watch.require()
        with pytest.raises(DatabaseAway):
            await watch.verdict()
        await watch.end()

    asyncio.run(scenario())


def test_a_process_that_freezes_in_a_transaction_loses_it_and_holds_up_nobody(place: Settings) -> None:
    async def freezing(tx: Transaction) -> None:
        await tx.run(GROW, name_="shared")
        await asyncio.to_thread(_nothing)  # so that the statement is sent
        time.sleep(12)  # noqa: ASYNC251 - the whole process hangs, as one that is frozen
        await tx.run(GROW, name_="shared")

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.write(adding("shared"))
            with pytest.raises(DatabaseUnavailable):
                await db.write(freezing)
            await back(db)
            assert await db.write(growing("shared")) == 1
            assert await db.read(everything) == {"shared": 1}

    asyncio.run(scenario())


def _nothing() -> None:
    """Take a turn of the event loop."""


async def _answers_late(reader: Any, late_s: float = 0.6) -> bool:
    await reader._connection.execute(f"SELECT pg_sleep({late_s})")
    return await answers(reader)
