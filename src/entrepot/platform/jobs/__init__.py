'''Durable background jobs: rows of the database that job processes claim, run and finish.

A job is described by a struct, made in the transaction that causes it, and done by a handler that the composition root
registers. A feature imports nothing but this package:

    class ScanManifest(Job, frozen=True):
        """Scan one manifest."""

        kind: ClassVar[str] = "scanning.scan_manifest"
        queue: ClassVar[str] = "scans"
        max_attempts: ClassVar[int] = 3
        manifest: int

    async def body(tx: Transaction) -> None:               # in a service
        manifest = await queries.insert_manifest(tx, …)
        await enqueue(tx, ScanManifest(manifest), key=f"scan-{manifest}")

    async def scan(context: Context, job: ScanManifest) -> None:   # in the feature's jobs.py
        done = context.checkpoint(Done) or Done(0)
        for number, step in enumerate(steps(job)[done.steps:], done.steps + 1):
            found = await work_at(step)                    # slow, no transaction is open
            await context.write(partial(store, found), checkpoint=Done(number))
        await context.finish(partial(publish, job.manifest))

    Setup(kinds=[Kind(ScanManifest, scan)], schedules=[Schedule("rescan", 86_400, Rescan())], limits={"scans": 2})

What a handler can lean on:

- It runs at least once after the commit of its transaction, and after a crash again. What it writes by `context.write` takes
  effect only while it holds the job; with a checkpoint it takes effect once. What it writes by `context.finish` takes effect
  once, with the job's end. Everything else that it does may happen twice, and must be harmless then.
- `LeaseLost` means: stop, another process has the job. `CancelledError` means: it was cancelled, or the process ends.
- What it raises counts as a failed attempt. There is a pause of about 1, 2, 4 … seconds, an hour at most, before the next one;
  after `max_attempts` it is `failed` until a person retries or drops it. A process that dies counts as an attempt as well.
- It calls `context.rest` after each small step: pulls come first, and the whole job takes about four times as long.
- It runs on an event loop with others: what blocks it for seconds blocks their heartbeats. Computations go to a child process.

A `key` names a piece of work while it waits or runs: the same key then makes no second job. Say `again=True` when the reason is
"look once more", because a job that runs already may have looked before the change.
'''

from entrepot.platform.jobs.board import Board
from entrepot.platform.jobs.context import Context
from entrepot.platform.jobs.engine import Engine, Kind, Setup
from entrepot.platform.jobs.model import Job, JobRefused, JobRow, JobUnknown, LeaseLost
from entrepot.platform.jobs.process import keep, work
from entrepot.platform.jobs.queries import enqueue
from entrepot.platform.jobs.schedule import PRUNING, Prune, Schedule, prune

__all__ = [
    "PRUNING",
    "Board",
    "Context",
    "Engine",
    "Job",
    "JobRefused",
    "JobRow",
    "JobUnknown",
    "Kind",
    "LeaseLost",
    "Prune",
    "Schedule",
    "Setup",
    "enqueue",
    "keep",
    "prune",
    "work",
]
