"""The job engine by itself: how fast jobs are enqueued, how soon they begin, and what a service costs that has nothing to do."""

import asyncio
import random
import time
from functools import partial
from statistics import median
from typing import ClassVar, Final

from bench.bars import ENQUEUE, IDLE, JOB_START
from bench.book import LONGEST, MILLISECONDS, PERCENT, RATE, Book, Key
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.processes import cpu_s
from bench.progress import say
from bench.servers import ON_POSTGRES, OURS
from entrepot.base.settings import Settings
from entrepot.platform.jobs import Job, Prune, enqueue
from support.parts import opened, sql

_AT_ONCE: Final = 64
_CONCURRENT: Final = 3200
_SERIAL: Final = 200
_STARTS: Final = 40
_START_LIMIT_S: Final = 30.0
_IDLE_S: Final = 20.0
_SETTLE_S: Final = 8.0
_DATABASE: Final = "PostgreSQL itself (not in the row above)"


class _Nothing(Job, frozen=True):
    """A kind that no process knows, so that its jobs only lie there."""

    kind: ClassVar[str] = "bench.nothing"
    queue: ClassVar[str] = "bench"


def enqueues(fleet: Fleet, book: Book) -> None:
    """Enqueue jobs, each in a transaction of its own, beside the running server."""
    for server in fleet.rounds(fleet.running(*OURS)):
        for at_once, count in ((_AT_ONCE, _CONCURRENT), (1, _SERIAL)):
            per_s = asyncio.run(_enqueue(server.place, count, at_once))
            book.add(Key(ENQUEUE, f"{server.name}, {at_once} at once", RATE), per_s)
            say(f"{ENQUEUE}: {server.name}, {at_once} at once: {per_s:,.0f}/s")


async def _enqueue(place: Settings, count: int, at_once: int) -> float:
    async with opened(place) as db:

        async def share() -> None:
            for _ in range(count // at_once):
                await db.write(partial(enqueue, work=_Nothing()))

        began = time.perf_counter()
        await asyncio.gather(*(share() for _ in range(at_once)))
        seconds = time.perf_counter() - began
    await sql(place, "DELETE FROM job WHERE kind = $1", _Nothing.kind)
    return count / seconds


def starts(fleet: Fleet, book: Book) -> None:
    """Enqueue a job that finds nothing to do and see when it ended: it began before that."""
    for server in fleet.rounds(fleet.running(*OURS)):
        waits = asyncio.run(_waits_ms(server.place))
        book.add(Key(JOB_START, server.name, MILLISECONDS), median(waits))
        book.add(Key(JOB_START, server.name, LONGEST), max(waits))
        say(f"{JOB_START}: {server.name}: median {median(waits):.0f} ms, longest {max(waits):.0f} ms")


async def _waits_ms(place: Settings) -> list[float]:
    waits = []
    async with opened(place) as db:
        for _ in range(_STARTS):
            id_ = await db.write(partial(enqueue, work=Prune()))
            committed = time.time()
            waits.append(max(0.0, await _finished_at(place, id_ or 0) - committed) * 1e3)
            await asyncio.sleep(random.uniform(0.05, 0.15))
    return waits


async def _finished_at(place: Settings, id_: int) -> float:
    """Look now and then, so that the looking does not hold up what it looks for."""
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end:
        await asyncio.sleep(0.2)
        found = (await sql(place, "SELECT finished_at FROM job WHERE id = $1", id_))[0][0]
        if found is not None:
            return float(found) / 1e6
    raise BenchmarkFailed("a job did not begin")


def idle(fleet: Fleet, book: Book) -> None:
    """Start anew and look how much processor time passes while nobody asks for anything; once, for it takes its time."""
    servers = fleet.running(*OURS)
    for server in servers:
        server.stop()
        server.start()
    time.sleep(_SETTLE_S)
    watched = {server.name: server.pid for server in servers}
    if ON_POSTGRES in watched:
        watched[_DATABASE] = fleet.postgres_pid
    before = {name: cpu_s(pid) for name, pid in watched.items()}
    time.sleep(_IDLE_S)
    for name, pid in watched.items():
        percent = (cpu_s(pid) - before[name]) / _IDLE_S * 100
        book.add(Key(IDLE, name, PERCENT), percent)
        say(f"{IDLE}: {name}: {percent:.2f} %")
