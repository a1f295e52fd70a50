"""Jobs that are made again and again: one for each slot of time in the whole cluster, and none while the last one is not done.

A slot is a multiple of the period since 1970 on the database's clock. Slots that pass while nobody works are not made up for:
the first process that looks makes one job, for the slot that it finds itself in.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import ClassVar, Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.jobs import queries
from entrepot.platform.jobs.context import Context
from entrepot.platform.jobs.model import Job

KEEP_DONE_S: Final = 3 * 24 * 3600
_BATCH: Final = 500


class Schedule(msgspec.Struct, frozen=True):
    """A job for every slot of `every_s` seconds."""

    name: str
    every_s: int
    job: Job

    def slot(self, now: int) -> int:
        """Return when the slot began in which `now` lies; both in microseconds."""
        return now - now % seconds_us(self.every_s)

    def is_due(self, newest: int, now: int) -> bool:
        """Tell whether a job is to be made after that of the newest slot; one that lies ahead was made by a wrong clock."""
        return newest < self.slot(now) or newest > now


async def never(_db: Reader) -> bool:
    """Make no pause."""
    return False


async def make_due(db: Database, schedules: Sequence[Schedule], paused: Callable[[Reader], Awaitable[bool]] = never) -> None:
    """Make the jobs whose slot has begun, unless another process did, or `paused` says that none are to be made."""
    if not schedules:
        return
    now, known = await db.read(queries.slots)
    for schedule in schedules:
        newest, live = known.get(schedule.name, (-1, False))
        if not live and schedule.is_due(newest, now):
            await db.write(partial(_make, schedule=schedule, paused=paused))


async def _make(tx: Transaction, schedule: Schedule, paused: Callable[[Reader], Awaitable[bool]]) -> None:
    if await paused(tx):  # asked in the transaction: whoever made the pause finds nothing changed afterwards
        return
    now, newest, live = await queries.lock_schedule(tx, schedule.name)
    if live or not schedule.is_due(newest, now):
        return
    slot = schedule.slot(now)
    made = await queries.enqueue(tx, schedule.job, key=f"sched-{schedule.name}-{slot // 1_000_000}")
    await queries.set_slot(tx, schedule.name, slot, made or 0)


class Prune(Job, frozen=True):
    """Forget the jobs that were done or cancelled days ago."""

    kind: ClassVar[str] = "jobs.prune"
    keep_s: int = KEEP_DONE_S


async def prune(context: Context, job: Prune) -> None:
    """Delete in small steps: each holds up SQLite's other writers for milliseconds only."""
    body = partial(queries.prune, keep_us=seconds_us(job.keep_s), limit=_BATCH)
    pruned = 0
    while deleted := await context.write(body):
        pruned += deleted
        await context.progress(pruned, note="jobs deleted")
        await context.rest()


PRUNING: Final = Schedule("prune", 3600, Prune())
