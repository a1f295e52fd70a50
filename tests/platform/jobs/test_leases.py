"""Leases: kept by heartbeats, lost for good, given back at a stop, and what a holder may do without one: nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from entrepot.base.settings import Settings
from entrepot.platform.db.database import Transaction
from entrepot.platform.db.statements import Statement
from entrepot.platform.jobs import Board, Context, Job, LeaseLost
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
    until,
    until_state,
)
from support.parts import opened, prepared
from support.postgres import Cluster

WHOLE: Final = [1, 2, LAST]
RUN_OUT: Final = Statement(text("UPDATE job SET lease_until = 1"))


async def nothing(_context: Context, _job: Job) -> None:
    """Do nothing."""


async def _queues(tx: Transaction) -> None:
    """Do what `run` does first."""
    await add_queues(tx, ["calls", "steps"])


def _one(job: int) -> Callable[[Transaction], Awaitable[None]]:
    return partial(add_effect, job=job, step=1, by="dead")


def test_whoever_lost_the_lease_changes_nothing_any_more(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Steps())
            await db.write(_queues)
            at_work = engine(db, (Steps, stepping("late")))
            (held,) = await at_work.claim(1)
            await run_out(place)
            late = Context(db, held)
            # The lease has run out and nobody has taken the job over yet: even so it is lost, and cannot be renewed.
            for act in (late.write(_one(made)), late.save(Reached(1)), late.finish(_one(made)), late.progress(1), late.end()):
                with pytest.raises(LeaseLost):
                    await act
            await at_work.perform(held)
            assert await effects(place) == {}
            (again,) = await at_work.claim(1)
            await at_work.perform(held)
            assert (await effects(place), await states(place)) == ({}, {made: "running"})
            await at_work.perform(again)
            assert (await effects(place), await states(place)) == ({made: WHOLE}, {made: "done"})

    asyncio.run(scenario())


def test_what_a_holder_does_takes_effect_once_however_long_its_transaction_waits(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Steps())
            await db.write(_queues)
            at_work = engine(db, (Steps, stepping("other")))

            async def waiting(tx: Transaction, step: int) -> None:
                await tx.run(RUN_OUT)  # as when it waits for another row until the lease is over
                await add_effect(tx, made, step, "slow")

            (held,) = await at_work.claim(1)
            await Context(db, held).write(partial(waiting, step=1), checkpoint=Reached(1))
            (again,) = await at_work.claim(1)
            assert Context(db, again).checkpoint(Reached) == Reached(1)
            await Context(db, again).finish(partial(waiting, step=LAST))
            assert (await effects(place), await states(place)) == ({made: [1, LAST]}, {made: "done"})
            assert await at_work.claim(1) == []

    asyncio.run(scenario())


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_at_the_next_heartbeat(place: Settings) -> None:
    told = asyncio.Event()

    async def handler(_context: Context, _job: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.set()
            raise

    async def scenario() -> None:
        async with opened(place) as db:
            waiting = await put(db, Call(), delay_us=10**9)
            assert (await Board(db).cancel(waiting)).state == "cancelled"
            running = await put(db, Call())
            async with Running(engine(db, (Call, handler))) as at_work:
                await until_state(place, "running", [running])
                assert (await Board(db).cancel(running)).cancel_requested
                assert not told.is_set()
                await at_work.beat()
                await until_state(place, "cancelled", [running])
            assert told.is_set()

    asyncio.run(scenario())


def test_a_job_that_is_lost_is_told_so_at_the_next_heartbeat(place: Settings) -> None:
    endings = []

    async def handler(context: Context, _job: Call) -> None:
        try:
            await asyncio.Event().wait() if context.attempt == 1 else None
        except asyncio.CancelledError:
            endings.append(context.attempt)
            raise

    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Call())
            async with Running(engine(db, (Call, handler), places=2)) as at_work:
                await until_state(place, "running", [made])
                await run_out(place)
                await until_state(place, "done", [made])
                await at_work.beat()
                await until(_ended)

    async def _ended() -> bool:
        return endings == [1]

    asyncio.run(scenario())


def test_heartbeats_keep_a_long_job(place: Settings) -> None:
    go_on = asyncio.Event()

    async def handler(_context: Context, _job: Call) -> None:
        await go_on.wait()

    async def scenario() -> None:
        async with opened(place) as db:
            made = await put(db, Call())
            async with Running(engine(db, (Call, handler))) as at_work:
                await until_state(place, "running", [made])
                before = await column(place, made, "lease_until")
                await asyncio.sleep(0.05)
                await at_work.beat()
                assert await column(place, made, "lease_until") - before > 40_000
                go_on.set()

    asyncio.run(scenario())


def test_a_job_that_holds_its_own_row_for_long_does_not_cost_the_others_their_leases(postgres: Cluster, tmp_path: Path) -> None:
    stay, locked = asyncio.Event(), asyncio.Event()

    async def lasting(_tx: Transaction) -> None:
        locked.set()
        await asyncio.sleep(1)  # on PostgreSQL a body may wait, though none of ours does

    async def handler(context: Context, job: Call) -> None:
        await (context.write(lasting) if job.word == "lasting" else stay.wait())

    place = prepared(tmp_path / "data", postgres.new_database())

    async def scenario() -> None:
        async with opened(place) as db:
            await put(db, Call("lasting"))
            other = await put(db, Call())
            async with Running(engine(db, (Call, handler))) as at_work:
                await until_state(place, "running", [other])
                await locked.wait()
                before = await column(place, other, "lease_until")
                beat = asyncio.create_task(at_work.beat())
                await asyncio.sleep(0.3)
                assert not beat.done()
                assert await column(place, other, "lease_until") > before
                stay.set()
                await beat

    asyncio.run(scenario())


def test_an_engine_that_stops_gives_its_jobs_back_and_the_attempt_does_not_count(place: Settings) -> None:
    async def handler(_context: Context, _job: Call) -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with opened(place) as db, opened(place) as other:
            made = await put(db, Call())
            async with Running(engine(db, (Call, handler))):
                await until_state(place, "running", [made])
            assert (await states(place), await column(place, made, "attempt")) == ({made: "ready"}, 0)
            async with Running(engine(other, (Call, nothing))):
                await until_state(place, "done", [made], 2)

    asyncio.run(scenario())
