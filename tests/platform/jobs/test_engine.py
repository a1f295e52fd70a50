"""What the engine promises of every job: run once it is committed, retried, limited, cancelled, taken over and given back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, Final

import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db.database import Transaction
from entrepot.platform.jobs import Context, Job, enqueue
from entrepot.platform.jobs.queries import add_queues
from support.jobs import (
    LAST,
    Call,
    Reached,
    Running,
    Steps,
    add_effect,
    column,
    effects,
    engine,
    put,
    run_out,
    states,
    stepping,
    until_state,
)
from support.parts import opened, sql

WHOLE: Final = [1, 2, LAST]


async def nothing(_context: Context, _job: Job) -> None:
    """Do nothing."""


def test_a_job_runs_once_its_transaction_is_committed_and_not_when_it_is_undone(place: Settings) -> None:
    async def undone(tx: Transaction) -> None:
        assert await enqueue(tx, Steps()) is not None
        raise LookupError("the cause is undone")

    async def scenario() -> None:
        async with opened(place) as db, Running(engine(db, (Steps, stepping("one")))):
            with pytest.raises(LookupError):
                await db.write(undone)
            made = await put(db, Steps())
            await until_state(place, "done", [made])
            assert await effects(place) == {made: WHOLE}
            assert await states(place) == {made: "done"}

    asyncio.run(scenario())


def test_a_key_names_one_job_while_it_lives_and_a_new_one_after(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            first = await put(db, Call(), key="same")
            assert await db.write(partial(enqueue, work=Call(), key="same")) is None
            assert await db.write(partial(enqueue, work=Call(), key="other")) is not None
            assert await db.write(partial(enqueue, work=Call())) is not None
            async with Running(engine(db, (Call, nothing))):
                await until_state(place, "done", [first])
            assert await db.write(partial(enqueue, work=Call(), key="same")) is not None

    asyncio.run(scenario())


def test_many_who_enqueue_the_same_key_at_once_make_one_job(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as one, opened(place) as other:
            bodies = [db.write(partial(enqueue, work=Call(), key="same")) for db in (one, other) for _ in range(10)]
            made = await asyncio.gather(*bodies)
            assert len([each for each in made if each is not None]) == 1

    asyncio.run(scenario())


def test_again_makes_a_running_job_run_once_more_and_leaves_a_waiting_one_alone(place: Settings) -> None:
    begun, go_on, runs = asyncio.Event(), asyncio.Event(), []

    async def handler(context: Context, _job: Call) -> None:
        runs.append(context.attempt)
        begun.set()
        await go_on.wait()

    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Call(), key="look")
            look = partial(enqueue, work=Call(), key="look", again=True)
            assert await db.write(look) is None
            async with Running(engine(db, (Call, handler))):
                await begun.wait()
                assert [await db.write(look) for _ in range(3)] == [None] * 3
                go_on.set()
                await until_state(place, "done", [made])
            assert runs == [1, 1]

    asyncio.run(scenario())


def test_a_job_that_fails_is_tried_again_after_growing_pauses_until_its_attempts_are_used_up(place: Settings) -> None:
    pauses = []

    async def failing(_context: Context, _job: Call) -> None:
        raise ValueError("no \0 luck")

    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Call())
            at_work = engine(db, (Call, failing))
            await db.write(partial(_queues))
            for attempt in range(1, 4):
                (held,) = await at_work.claim(1)
                assert held.attempt == attempt
                await at_work.perform(held)
                pause = "SELECT run_at - created_at FROM job WHERE id = $1"
                pauses.append((await sql(place, pause, made))[0][0] / 1e6)
                assert await at_work.claim(1) == []
                await sql(place, "UPDATE job SET run_at = created_at")
            assert await states(place) == {made: "failed"}
            assert await column(place, made, "error") == "ValueError: no ? luck"
            assert await column(place, made, "finished_at") is not None

    asyncio.run(scenario())
    assert 0.7 < pauses[0] < 2
    assert 1.4 < pauses[1] < 4
    assert 2.9 < pauses[2] < 8


async def _queues(tx: Transaction) -> None:
    """Do what `run` does first."""
    await add_queues(tx, ["calls", "steps"])


def test_a_queue_never_runs_more_than_its_limit_however_many_claim_at_once(place: Settings) -> None:
    most, running = [0], [0]

    async def handler(_context: Context, _job: Call) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(random.uniform(0, 0.02))
        running[0] -= 1

    async def scenario() -> None:
        async with opened(place) as one, opened(place) as two, opened(place) as three:
            ids = [await put(one, Call()) for _ in range(30)]
            engines = [engine(db, (Call, handler), limits={"calls": 2}) for db in (one, two, three)]
            async with Running(engines[0]), Running(engines[1]), Running(engines[2]):
                await until_state(place, "done", ids, 60)

    asyncio.run(scenario())
    assert most[0] == 2


def test_claims_at_the_same_moment_do_not_overshoot(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as one, opened(place) as two:
            for _ in range(20):
                await put(one, Call())
            await one.write(_queues)
            engines = [engine(db, (Call, nothing), limits={"calls": 3}) for db in (one, two)]
            taken = await asyncio.gather(*(each.claim(2) for each in engines * 4))
            assert sum(map(len, taken)) == 3
            assert list((await states(place)).values()).count("running") == 3

    asyncio.run(scenario())


def test_a_full_queue_does_not_hold_up_another(place: Settings) -> None:
    stay = asyncio.Event()

    async def staying(_context: Context, _job: Call) -> None:
        await stay.wait()

    async def scenario() -> None:
        async with opened(place) as db:
            for _ in range(5):
                await put(db, Call())
            made = await put(db, Steps())
            async with Running(engine(db, (Call, staying), (Steps, stepping("one")), places=2, limits={"calls": 1})):
                await until_state(place, "done", [made])
                stay.set()

    asyncio.run(scenario())


def test_a_dead_process_s_job_goes_on_at_its_checkpoint_and_the_death_counts(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as dead, opened(place) as db:
            made = await put(dead, Steps())
            await dead.write(_queues)
            (held,) = await engine(dead, (Steps, nothing)).claim(1)
            context = Context(dead, held)
            await context.write(_one(made), checkpoint=Reached(1))
            other = engine(db, (Steps, stepping("other")))
            assert await other.claim(1) == []
            await run_out(place)
            (again,) = await other.claim(1)
            assert (again.id, again.attempt, again.owner != held.owner) == (made, 2, True)
            await other.perform(again)
            assert await effects(place) == {made: WHOLE}
            assert await sql(place, "SELECT step, doer FROM effect ORDER BY step") == [(1, "dead"), (2, "other"), (LAST, "other")]

    asyncio.run(scenario())


def _one(job: int) -> Callable[[Transaction], Awaitable[None]]:
    return partial(add_effect, job=job, step=1, by="dead")


def test_a_job_whose_processes_die_each_time_ends_as_failed(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Call())
            await db.write(_queues)
            at_work = engine(db, (Call, nothing))
            for _ in range(Call.max_attempts):
                assert len(await at_work.claim(1)) == 1
                await run_out(place)
            assert await at_work.claim(1) == []
            assert await states(place) == {made: "failed"}
            assert "died" in await column(place, made, "error")

    asyncio.run(scenario())


def test_the_number_of_a_forgotten_job_is_never_given_to_another_one(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            first = await put(db, Call())
            await sql(place, "DELETE FROM job")
            assert await put(db, Call()) > first

    asyncio.run(scenario())


def test_jobs_of_a_kind_that_this_process_does_not_know_are_left_for_one_that_does(place: Settings) -> None:
    class Newer(Job, frozen=True):
        kind: ClassVar[str] = "tests.newer"
        queue: ClassVar[str] = "calls"

    async def scenario() -> None:
        async with opened(place) as db:
            newer, known = await put(db, Newer()), await put(db, Call())
            async with Running(engine(db, (Call, nothing))):
                await until_state(place, "done", [known])
            assert (await states(place))[newer] == "ready"

    asyncio.run(scenario())


def test_a_job_that_is_committed_begins_within_a_tenth_of_a_second(place: Settings) -> None:
    begun: asyncio.Queue[float] = asyncio.Queue()

    async def handler(_context: Context, _job: Call) -> None:
        begun.put_nowait(asyncio.get_running_loop().time())

    async def scenario() -> list[float]:
        delays = []
        async with opened(place) as db, opened(place) as web, Running(engine(db, (Call, handler))):
            await asyncio.sleep(0.3)
            for _ in range(20):
                await asyncio.sleep(random.uniform(0, 0.08))
                await put(web, Call())
                committed = asyncio.get_running_loop().time()
                delays.append(await begun.get() - committed)
        return sorted(delays)

    delays = asyncio.run(scenario())
    assert delays[len(delays) // 2] < 0.1, delays
