"""The job table under processes that stop and die at every statement: each job's effects happen, and none twice.

Three workers on two nodes are steered statement by statement (tests/support/interleaving.py). A node has connections of its own,
which its workers share. Between two statements any worker may die, freeze while its lease runs out and come back, meet a failure
in its handler, or have its job cancelled; and a node may die with all its workers. In the end a healthy node does what is left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
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

# The node on which each worker runs.
WORKERS: Final = (0, 1, 0)
NODES: Final = 2
LIMIT: Final = 2
_WORKER: Final = st.integers(0, len(WORKERS) - 1)
OPERATIONS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("go"), _WORKER, st.integers(1, 12)),
        st.tuples(st.just("die"), _WORKER, st.just(0)),
        st.tuples(st.just("node dies"), st.integers(0, NODES - 1), st.just(0)),
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

    def born(self, db: Database | None = None) -> None:
        """Start from nothing, on a new node if one is given."""
        self._db = db or self._db
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

    async def do(self, what: str, number: int) -> None:
        """Let one of a worker's own operations happen to it."""
        if what == "go":
            await self.go(number)
        elif what == "die":
            await self.die()
            self.born()
        else:
            self.trouble = True

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


class Node:
    """A machine: connections of its own, and workers that end when it does."""

    def __init__(self, place: Settings) -> None:
        self._place = place
        self._connections: AbstractAsyncContextManager[Database]
        self.db: Database
        self.workers: list[Worker] = []

    async def boot(self) -> None:
        """Connect."""
        self._connections = opened(self._place)
        self.db = await self._connections.__aenter__()

    async def down(self) -> None:
        """End everything on it at once."""
        for worker in self.workers:
            await worker.die()
        await self._connections.__aexit__(None, None, None)

    async def crash(self) -> None:
        """End everything on it at once, and come up again."""
        await self.down()
        await self.boot()
        for worker in self.workers:
            worker.born(self.db)


async def run(place: Settings, operations: list[tuple[str, int, int]]) -> None:
    """Do the operations, let a healthy worker finish, and check every job."""
    inside = bool(place.database)
    for table in ("job", "effect"):
        await sql(place, f"DELETE FROM {table}")  # noqa: S608 - one of these two
    nodes = [Node(place) for _ in range(NODES)]
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(opened(place))
        await db.write(lambda tx: add_queues(tx, ["steps"]))
        made = [await put(db, Steps(count)) for count in (0, 2)]
        for node in nodes:
            await node.boot()
            stack.push_async_callback(node.down)
        workers = [Worker(nodes[each].db, inside=inside) for each in WORKERS]
        for worker, each in zip(workers, WORKERS, strict=True):
            nodes[each].workers.append(worker)
        for what, which, number in operations:
            if what == "node dies":
                await nodes[which].crash()
            elif what == "run out":
                await _unlocked(place, "UPDATE job SET lease_until = 1", "state = 'running'")
            elif what == "enqueue":
                made.append(await put(db, Steps(number)))
            elif what == "cancel":
                await _cancel(place, db, made[number % len(made)])
            else:
                await workers[which].do(what, number)
            assert await _leased(place) <= LIMIT
        for worker in workers:
            await worker.die()
        await sql(place, "UPDATE job SET lease_until = 1 WHERE state = 'running'")
        await sql(place, "UPDATE job SET run_at = 1")
        await _check(place, db, made)


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
