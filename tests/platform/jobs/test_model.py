"""The job table under processes that stop and die at every statement: each job's effects happen, and none twice.

Three workers, each with connections of its own, are steered statement by statement (tests/support/interleaving.py). Between two
statements any of them may die, freeze while its lease runs out and come back, meet a failure in its handler, or have its job
cancelled. In the end one healthy worker does what is left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.base.settings import Settings
from entrepot.platform.db.database import Database
from entrepot.platform.jobs import Board, Context, Engine, JobRefused
from entrepot.platform.jobs.queries import add_queues
from support.counts import examples
from support.interleaving import Actor, Stepped
from support.jobs import LAST, Running, Steps, effects, engine, put, states, stepping, until
from support.parts import opened, sql

WORKERS: Final = 3
LIMIT: Final = 2
_WORKER: Final = st.integers(0, WORKERS - 1)
OPERATIONS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("go"), _WORKER, st.integers(1, 12)),
        st.tuples(st.just("die"), _WORKER, st.just(0)),
        st.tuples(st.just("fail"), _WORKER, st.just(0)),
        st.tuples(st.just("run out"), st.just(0), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0), st.integers(0, 3)),
        st.tuples(st.just("enqueue"), st.just(0), st.integers(0, 3)),
    ),
    min_size=6,
    max_size=40,
)
# A row that a stopped worker has locked in an open transaction is left alone: the test would wait for it for ever.
_UNLOCKED: Final = {"postgresql": " FOR UPDATE SKIP LOCKED", "sqlite": ""}


class _Ends(Stepped):
    """Stops after the commit too: a process can die before it hears of it."""

    async def write(self, body: Callable[..., Awaitable[Any]], *, durable: bool = True) -> Any:
        """Write, then stop."""
        result = await super().write(body, durable=durable)
        await self._actor.stop()
        return result


class Worker:
    """A process that claims and runs one job after the other, and is born anew when it died."""

    def __init__(self, db: Database, *, inside: bool) -> None:
        self._db = db
        self._inside = inside
        self.trouble = False
        self.born()

    def born(self) -> None:
        """Start from nothing."""
        self._actor = Actor()
        self._actor.start(self._live)

    async def _live(self) -> None:
        at_work = engine(_Ends(self._db, self._actor, inside=self._inside), (Steps, self._handler), limits={"steps": LIMIT})
        while True:
            await self._round(at_work)

    async def _round(self, at_work: Engine) -> None:
        await self._actor.stop()
        for held in await at_work.claim(1):
            await at_work.perform(held)

    async def _handler(self, context: Context, job: Steps) -> None:
        if self.trouble:
            self.trouble = False
            raise ValueError("trouble")
        await stepping("worker")(context, job)

    async def go(self, steps: int) -> None:
        """Let it do some statements."""
        for _ in range(steps):
            await self._actor.step()
        if self._actor.task is not None and self._actor.task.done():
            self._actor.task.result()  # a worker never ends by itself: this raises why it did

    async def die(self) -> None:
        """End it where it stands, as a killed process ends: what it had not committed is gone."""
        if self._actor.task is not None:
            self._actor.task.cancel()
            await asyncio.wait([self._actor.task])


async def run(place: Settings, operations: list[tuple[str, int, int]]) -> None:
    """Do the operations, let a healthy worker finish, and check every job."""
    inside = bool(place.database)
    for table in ("job", "effect"):
        await sql(place, f"DELETE FROM {table}")  # noqa: S608 - one of these two
    async with AsyncExitStack() as stack:
        dbs = [await stack.enter_async_context(opened(place)) for _ in range(WORKERS + 1)]
        await dbs[-1].write(lambda tx: add_queues(tx, ["steps"]))
        made = [await put(dbs[-1], Steps(count)) for count in (0, 2)]
        workers = [Worker(db, inside=inside) for db in dbs[:WORKERS]]
        for what, which, number in operations:
            if what == "go":
                await workers[which].go(number)
            elif what == "die":
                await workers[which].die()
                workers[which].born()
            elif what == "fail":
                workers[which].trouble = True
            elif what == "run out":
                await _unlocked(place, "UPDATE job SET lease_until = 1", "state = 'running'")
            elif what == "enqueue":
                made.append(await put(dbs[-1], Steps(number)))
            else:
                await _cancel(place, dbs[-1], made[number % len(made)])
            assert await _leased(place) <= LIMIT
        for worker in workers:
            await worker.die()
        await sql(place, "UPDATE job SET lease_until = 1 WHERE state = 'running'")
        await sql(place, "UPDATE job SET run_at = 1")
        await _check(place, dbs[-1], made)


async def _unlocked(place: Settings, change: str, where: str) -> None:
    lock = _UNLOCKED["postgresql" if place.database else "sqlite"]
    await sql(place, f"{change} WHERE id IN (SELECT id FROM job WHERE {where}{lock})")  # noqa: S608 - a test's own words


async def _leased(place: Settings) -> int:
    return int((await sql(place, "SELECT count(*) FROM job WHERE lease_until > 1"))[0][0])


async def _cancel(place: Settings, db: Database, id_: int) -> None:
    if place.database:
        # As the board does, but without waiting for a worker that stands still with the row locked.
        where = f"id = {id_} AND finished_at IS NULL"
        await _unlocked(place, "UPDATE job SET cancel_requested = 1", where)
        return
    try:
        await Board(db).cancel(id_)
    except JobRefused:
        return  # it had ended


async def _check(place: Settings, db: Database, made: list[int]) -> None:
    counts = {id_: int(text) for id_, text in await sql(place, "SELECT id, substr(arguments, 10, 1) FROM job")}
    async with Running(engine(db, (Steps, stepping("last")), limits={"steps": LIMIT})):
        open_ = [id_ for id_, state in (await states(place)).items() if state in ("ready", "running")]

        async def all_ended() -> bool:
            return not {"ready", "running"} & set((await states(place)).values())

        await until(all_ended)
    ended, happened = await states(place), await effects(place)
    assert ended.keys() == set(made)
    for id_, state in ended.items():
        whole = [*range(1, counts[id_] + 1), LAST]
        found = happened.get(id_, [])
        if state == "done":
            assert found == whole
        else:
            assert state == "cancelled", (id_, state, open_)
            assert found == whole[: len(found)], "a step is missing or happened twice"
            assert found != whole, "it had ended already"


@settings(
    max_examples=examples(25, 1500),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(operations=OPERATIONS)
def test_whatever_dies_each_effect_happens_once(place: Settings, operations: list[tuple[str, int, int]]) -> None:
    asyncio.run(run(place, operations))
