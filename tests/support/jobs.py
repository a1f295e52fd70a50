"""Jobs for tests: small kinds whose effects can be counted in a table of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import msgspec
from sqlalchemy import Column, MetaData, Table, Text, bindparam, insert

from entrepot.base.settings import Settings
from entrepot.platform.db.columns import number
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.db.statements import Statement
from entrepot.platform.jobs import Context, Engine, Job, Kind, Schedule, Setup, enqueue
from support.parts import sql

EFFECT: Final = Table("effect", MetaData(), number("job"), number("step"), Column("doer", Text))
_ADD: Final = Statement(insert(EFFECT).values(job=bindparam("job"), step=bindparam("step"), doer=bindparam("doer")))
LAST: Final = 1_000  # the step that stands for what commits with the job's end


class Steps(Job, frozen=True):
    """Write an effect for each step, then one with the end."""

    kind: ClassVar[str] = "tests.steps"
    queue: ClassVar[str] = "steps"
    max_attempts: ClassVar[int] = 1_000
    count: int = 2


class Reached(msgspec.Struct, frozen=True):
    """How many steps are behind the job."""

    steps: int


class Call(Job, frozen=True):
    """Whatever the test wants."""

    kind: ClassVar[str] = "tests.call"
    queue: ClassVar[str] = "calls"
    max_attempts: ClassVar[int] = 3
    word: str = ""


async def add_effect(tx: Transaction, job: int, step: int, by: str) -> None:
    """Let a step take effect."""
    await tx.run(_ADD, job=job, step=step, doer=by)


def stepping(by: str, pause_s: float = 0.0) -> Callable[[Context, Steps], Awaitable[None]]:
    """Return a handler that goes on where an earlier attempt stopped, and may take its time."""

    async def handler(context: Context, job: Steps) -> None:
        done = context.checkpoint(Reached) or Reached(0)
        for step in range(done.steps + 1, job.count + 1):
            await context.write(partial(add_effect, job=context.job, step=step, by=by), checkpoint=Reached(step))
            await asyncio.sleep(pause_s)
        await context.finish(partial(add_effect, job=context.job, step=LAST, by=by))

    return handler


async def make_effects(place: Settings) -> None:
    """Make the table; it has no rule that would hide a second effect."""
    await sql(place, "CREATE TABLE effect (job BIGINT, step BIGINT, doer TEXT)")


async def effects(place: Settings) -> dict[int, list[int]]:
    """Return the steps that took effect, by job, in order."""
    found: dict[int, list[int]] = {}
    for job, step in await sql(place, "SELECT job, step FROM effect ORDER BY job, step"):
        found.setdefault(job, []).append(step)
    return found


def engine(
    db: Database,
    *handlers: tuple[type[Job], Callable[[Context, Any], Awaitable[None]]],
    places: int = 4,
    limits: dict[str, int] | None = None,
    schedules: Sequence[Schedule] = (),
) -> Engine:
    """Return an engine for these kinds."""
    return Engine(db, Setup([Kind(*each) for each in handlers], schedules, limits or {}), places)


async def put(db: Database, job: Job, **options: Any) -> int:
    """Enqueue a job in a transaction of its own and return its id."""
    made = await db.write(partial(enqueue, work=job, **options))
    assert made is not None
    return made


async def column(place: Settings, id_: int, name: str) -> Any:
    """Return one column of a job's row."""
    return (await sql(place, f"SELECT {name} FROM job WHERE id = $1", id_))[0][0]  # noqa: S608 - a test's own word


async def states(place: Settings, of: type[Job] | None = None) -> dict[int, str]:
    """Return the state of every job, or of those of a kind."""
    if of is not None:
        return dict(await sql(place, "SELECT id, state FROM job WHERE kind = $1", of.kind))
    return dict(await sql(place, "SELECT id, state FROM job"))


async def until(true: Callable[[], Awaitable[bool]], limit_s: float = 20.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(limit_s):
        while not await true():  # noqa: ASYNC110 - what is waited for happens in a database
            await asyncio.sleep(0.01)


async def until_state(place: Settings, state: str, ids: Iterable[int], limit_s: float = 20.0) -> None:
    """Wait until these jobs are in a state."""
    wanted = set(ids)

    async def so() -> bool:
        return wanted <= {id_ for id_, each in (await states(place)).items() if each == state}

    await until(so, limit_s)


async def run_out(place: Settings, *ids: int) -> None:
    """Let leases run out, as they do when nobody renews them; of all jobs when none is named."""
    if not ids:
        await sql(place, "UPDATE job SET lease_until = 1 WHERE state = 'running'")
    for id_ in ids:
        await sql(place, "UPDATE job SET lease_until = 1 WHERE state = 'running' AND id = $1", id_)


class Running:
    """An engine at work while the test looks: `async with Running(engine):`."""

    def __init__(self, engine_: Engine) -> None:
        self._engine = engine_

    async def __aenter__(self) -> Engine:
        self._task = asyncio.create_task(self._engine.run())
        return self._engine

    async def __aexit__(self, *_: object) -> None:
        self._engine.stop()
        await self._task
