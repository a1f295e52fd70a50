"""A pause: nothing is begun, what runs is given back with its checkpoint, and afterwards it goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from entrepot.app import modes
from entrepot.base.settings import Settings
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.service.modes import Guarded, Modes, pauses_jobs
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import Context, Engine, Kind, Schedule, Setup
from entrepot.platform.jobs.model import Held
from entrepot.platform.jobs.queries import add_queues
from entrepot.platform.jobs.schedule import make_due
from support.jobs import Call, Reached, Running, column, put, run_out, states, until_state
from support.parts import opened, parts, prepared
from support.postgres import Cluster
from support.shelf import adding, make_shelf

Handler = Callable[[Context, Any], Awaitable[None]]


def pausing(db: Database, handler: Handler, *schedules: Schedule) -> Engine:
    """Return an engine that obeys the mode of the registry."""
    return Engine(db, Setup([Kind(Call, handler)], schedules, {}, pauses_jobs, (RegistryReadOnly,)), 4)


async def claimed(db: Database, engine: Engine) -> Held:
    """Enqueue a job and let the engine have it, without doing it yet."""
    await db.write(partial(add_queues, names=[Call.queue]))
    await put(db, Call())
    (held,) = await engine.claim(1)
    return held


def test_a_job_is_not_taken_by_who_looked_before_the_pause(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            engine = pausing(db, nothing)
            await db.write(partial(add_queues, names=[Call.queue]))
            job = await put(db, Call())
            await Modes(db).change(read_only=True)
            # As in a turn that has just found the normal mode.
            assert await engine.claim(1) == []
            assert await states(place) == {job: "ready"}

    asyncio.run(scenario())


def test_no_job_of_a_schedule_is_made_by_who_looked_before_the_pause(place: Settings) -> None:
    async def scenario() -> None:
        async with opened(place) as db:
            await Modes(db).change(read_only=True)
            await make_due(db, [Schedule("hourly", 3600, Call())], pauses_jobs)
            assert await states(place) == {}
            await Modes(db).change(read_only=False)
            await make_due(db, [Schedule("hourly", 3600, Call())], pauses_jobs)
            assert list((await states(place)).values()) == ["ready"]

    asyncio.run(scenario())


def test_a_pause_waits_for_who_is_taking_a_job(postgres: Cluster, tmp_path: Path) -> None:
    """On SQLite transactions that write never overlap, so there is nothing to wait for."""
    place = prepared(tmp_path, postgres.new_database())

    async def scenario() -> None:
        async with opened(place) as db, opened(place) as other:
            changing: asyncio.Task[object] | None = None

            async def taking(tx: Transaction) -> bool:
                nonlocal changing
                assert not await pauses_jobs(tx)
                changing = asyncio.create_task(Modes(other).change(read_only=True))
                await asyncio.sleep(0.5)
                return changing.done()

            assert await db.write(taking) is False
            assert changing is not None
            await changing
            assert await db.read(pauses_jobs)

    asyncio.run(scenario())


async def nothing(_context: Context, _job: Call) -> None:
    """Do nothing."""


def test_while_it_is_paused_nothing_is_begun_or_made(place: Settings) -> None:
    began: list[int] = []

    async def handler(context: Context, _job: Call) -> None:
        began.append(context.job)

    async def scenario() -> None:
        async with opened(place) as db:
            await Modes(db).change(read_only=True)
            waiting = await put(db, Call())
            async with Running(pausing(db, handler, Schedule("often", 1, Call("scheduled")))):
                await asyncio.sleep(1.5)
                assert await states(place) == {waiting: "ready"}
                assert began == []
                await Modes(db).change(read_only=False)
                await until_state(place, "done", [waiting])

    asyncio.run(scenario())


def test_what_runs_is_given_back_and_goes_on_behind_its_checkpoint(place: Settings) -> None:
    seen: list[tuple[int, Reached | None]] = []

    async def handler(context: Context, _job: Call) -> None:
        seen.append((context.attempt, context.checkpoint(Reached)))
        if len(seen) == 1:
            await context.save(Reached(7))
            await asyncio.sleep(60)

    async def scenario() -> None:
        async with parts(place) as node, opened(place) as other:
            job = await put(node.db, Call())
            async with Running(pausing(node.db, handler)):
                await until_state(place, "running", [job])
                await modes.change(place, read_only=True, reason="")  # returns when no job runs any more
                assert await column(place, job, "state") == "ready"
                await Modes(other).change(read_only=False)
                await until_state(place, "done", [job])
            assert seen == [(1, None), (1, Reached(7))], "an attempt that was broken off for a pause does not count"

    asyncio.run(scenario())


def test_a_handler_that_is_refused_in_such_a_moment_is_given_back(place: Settings) -> None:
    """The pause is seen at the next look only, but a write is refused at once."""

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:

            async def handler(_context: Context, _job: Call) -> None:
                await Guarded(db).write(adding("one"))

            engine = pausing(db, handler)
            held = await claimed(db, engine)
            await Modes(db).change(read_only=True)
            await engine.perform(held)
            assert (await column(place, held.id, "state"), await column(place, held.id, "attempt")) == ("ready", 0)

    asyncio.run(scenario())


def test_jobs_that_do_not_end_are_told(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as node:
            await claimed(node.db, pausing(node.db, nothing))
            with pytest.raises(modes.JobsStillRun, match=r"1 background jobs still run after 0\.3 seconds"):
                await modes.change(place, read_only=True, reason="", patience_s=0.3)
            assert (await node.modes.current()).read_only
            await run_out(place)  # as when the process that ran it is dead
            await modes.change(place, read_only=True, reason="", patience_s=0.3)

    asyncio.run(scenario())
