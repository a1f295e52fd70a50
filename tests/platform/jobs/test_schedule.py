"""Schedules make one job for each slot in the whole cluster; what is done is forgotten after some days."""

import asyncio
from functools import partial
from typing import ClassVar, Final

from entrepot.base.settings import Settings
from entrepot.platform.jobs import PRUNING, Job, Prune, Schedule, prune
from entrepot.platform.jobs.queries import add_queues
from entrepot.platform.jobs.schedule import KEEP_DONE_S, make_due
from support.jobs import Call, Running, engine, put, states, until_state
from support.parts import opened, sql

DAY_US: Final = 86_400_000_000
HOURLY: Final = Schedule("hourly", 3600, Call("hourly"))
MADE: Final = "SELECT id, key, state FROM job WHERE key LIKE 'sched-%' ORDER BY id"


class Tick(Job, frozen=True):
    kind: ClassVar[str] = "tests.tick"


async def nothing(*_: object) -> None:
    """Do nothing."""


def test_however_many_look_at_once_a_slot_gets_one_job(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as one, opened(place) as two, opened(place) as three:
            await asyncio.gather(*(make_due(db, [HOURLY]) for db in (one, two, three) for _ in range(5)))
            ((_, key, state),) = await sql(place, MADE)
            slot = (await sql(place, "SELECT slot FROM job_schedule"))[0][0]
            assert (key, state) == (f"sched-hourly-{slot // 1_000_000}", "ready")
            assert slot % 3_600_000_000 == 0

    asyncio.run(scenario())


def test_a_slot_whose_job_is_done_and_forgotten_gets_no_second_one(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await make_due(db, [HOURLY])
            await sql(place, "DELETE FROM job")
            await make_due(db, [HOURLY])
            assert await sql(place, MADE) == []

    asyncio.run(scenario())


def test_slots_that_passed_while_nobody_worked_become_one_job(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await make_due(db, [HOURLY])
            await sql(place, "UPDATE job SET state = 'done', finished_at = 1")
            await sql(place, "UPDATE job_schedule SET slot = slot - $1", 7 * DAY_US)
            for _ in range(3):
                await make_due(db, [HOURLY])
            assert [state for _, _, state in await sql(place, MADE)] == ["done", "ready"]

    asyncio.run(scenario())


def test_a_slot_waits_until_the_job_of_the_last_one_is_done(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await make_due(db, [HOURLY])
            await sql(place, "UPDATE job_schedule SET slot = slot - $1", DAY_US)
            await make_due(db, [HOURLY])
            assert len(await sql(place, MADE)) == 1
            await sql(place, "UPDATE job SET state = 'done', finished_at = 1")
            await make_due(db, [HOURLY])
            assert len(await sql(place, MADE)) == 2

    asyncio.run(scenario())


def test_a_clock_that_was_ahead_holds_up_nothing_when_it_is_right_again(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            at_work = engine(db, (Call, nothing), (Tick, nothing))
            await db.write(partial(add_queues, names=["calls", Tick.queue]))
            await make_due(db, [HOURLY])
            taken = await put(db, Tick())
            await sql(place, "UPDATE job_schedule SET slot = slot + $1", DAY_US)
            await sql(place, "UPDATE job SET created_at = created_at + $1, run_at = run_at + $1", DAY_US)
            (held, *_) = held_jobs = await at_work.claim(2)
            assert taken in {each.id for each in held_jobs}, "what it made waits until it is that time again"
            assert await at_work.claim(2) == []
            await sql(place, "UPDATE job SET lease_until = lease_until + $1 WHERE id = $2", 5_000_000, held.id)
            assert await at_work.claim(2) == [], "a clock that moves by seconds takes no lease away"
            await sql(place, "UPDATE job SET lease_until = lease_until + $1 WHERE id = $2", DAY_US, held.id)
            assert [each.id for each in await at_work.claim(2)] == [held.id]
            await sql(place, "UPDATE job SET state = 'done', finished_at = 1")
            await make_due(db, [HOURLY])
            assert [state for _, _, state in await sql(place, MADE)] == ["done", "ready"]

    asyncio.run(scenario())


def test_engines_run_each_slot_once_between_them(place: Settings) -> None:
    every_second = Schedule("tick", 1, Tick())

    async def scenario() -> None:
        async with opened(place) as one, opened(place) as two:
            engines = [engine(db, (Tick, nothing), schedules=[every_second]) for db in (one, two)]
            async with Running(engines[0]), Running(engines[1]):
                await asyncio.sleep(3.2)
        keys = [key for _, key, _ in await sql(place, MADE)]
        assert 3 <= len(keys) <= 5
        assert len(set(keys)) == len(keys)

    asyncio.run(scenario())


def test_done_and_cancelled_jobs_are_forgotten_after_days_and_failed_ones_are_not(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            ids = {state: await put(db, Call(), key=state) for state in ("done", "cancelled", "failed")}
            recent = await put(db, Call(), key="recent")
            waiting = await put(db, Call(), key="waiting")
            old = "UPDATE job SET state = $1, finished_at = created_at - $2 WHERE id = $3"
            for state, id_ in ids.items():
                await sql(place, old, state, KEEP_DONE_S * 1_000_000 + 1, id_)
            await sql(place, old, "done", KEEP_DONE_S * 1_000_000 - 60_000_000, recent)
            async with Running(engine(db, (Prune, prune), schedules=[PRUNING])):
                pruning = (await _first_scheduled(place))[0]
                await until_state(place, "done", [pruning])
            assert (await states(place)).keys() == {ids["failed"], recent, waiting, pruning}

    asyncio.run(scenario())


async def _first_scheduled(place: Settings) -> tuple[int, ...]:
    while not (found := await sql(place, MADE)):  # noqa: ASYNC110 - another process's row is waited for
        await asyncio.sleep(0.01)
    return found[0]


def test_pruning_takes_more_than_one_batch(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await put(db, Call())
            columns = "queue, kind, arguments, state, run_at, lease_until, attempt, max_attempts, error, cancel_requested, again"
            for _ in range(11):
                await sql(place, f"INSERT INTO job ({columns}, created_at) SELECT {columns}, created_at FROM job")  # noqa: S608
            await sql(place, "UPDATE job SET state = 'done', finished_at = 1")
            async with Running(engine(db, (Prune, prune))):
                await until_state(place, "done", [await put(db, Prune())])
            assert len(await states(place)) == 1

    asyncio.run(scenario())
