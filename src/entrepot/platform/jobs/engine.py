"""Claiming jobs, running them, keeping their leases and recording how they ended: what one job process does."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.errors import Unavailable
from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.jobs import queries
from entrepot.platform.jobs.context import LEASE_S, LEASE_US, Context
from entrepot.platform.jobs.model import Held, Job, LeaseLost
from entrepot.platform.jobs.schedule import Schedule, make_due, never

_log: Final = logging.getLogger(__name__)
_BEAT_S: Final = LEASE_S / 3
_POLL_S: Final = 1.0
_STOP_S: Final = 5.0
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 3600.0
_LONGEST_ERROR: Final = 2000
_MISSED_BEATS: Final = 3
Ending = Literal["", "cancelled", "lost", "stopped", "paused"]


class Kind(msgspec.Struct, frozen=True):
    """What the composition root registers: a kind of job and the function that does it."""

    job: type[Job]
    handler: Callable[[Context, Any], Awaitable[None]]


class Setup(msgspec.Struct, frozen=True):
    """Everything that an engine can do; a queue without a limit runs as much as the processes take.

    While the query `paused` says so nothing is taken or made, and what runs is given back. A handler that `refusal` is raised to
    in such a moment is given back too.
    """

    kinds: Sequence[Kind]
    schedules: Sequence[Schedule] = ()
    limits: Mapping[str, int] = {}
    paused: Callable[[Reader], Awaitable[bool]] = never
    refusal: tuple[type[Exception], ...] = ()


class _Running:
    """A job that runs here, its task, and why the task was told to end."""

    def __init__(self, held: Held, task: "asyncio.Task[None]") -> None:
        self.held = held
        self.task = task
        self.ending: Ending = ""
        self.missed = 0

    def end(self, why: Ending) -> None:
        """Cancel the task; the first reason stays."""
        if not self.ending:
            self.ending = why
            self.task.cancel()


class Engine:
    """Runs up to `places` jobs at a time on one database."""

    def __init__(self, db: Database, setup: Setup, places: int) -> None:
        self._db = db
        self._places = places
        self._kinds = {kind.job.kind: kind for kind in setup.kinds}
        self._limits = {kind.job.queue: setup.limits.get(kind.job.queue, 1 << 30) for kind in setup.kinds}
        self._schedules = setup.schedules
        self._paused = setup.paused
        self._refusal = setup.refusal
        self._running: dict[str, _Running] = {}  # by token: a job that was lost may come back while its old task still ends
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Make `run` end: running jobs get five seconds, then they are given back for another process to go on with."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until told to stop. The database may go away and come back."""
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._watch()), group.create_task(self._beat_for_ever())]
            try:
                await self._work()
                await self._wind_up()
            finally:
                tasks = [each.task for each in self._running.values()]
                for task in (*helpers, *tasks):
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        queues_known = False
        while not self._stopping:
            self._wake.clear()
            try:
                if not queues_known:
                    await self._db.write(partial(queries.add_queues, names=list(self._limits)))
                    queues_known = True
                await self.turn()
            except Unavailable as error:
                _log.warning("jobs_wait_for_database", extra={"reason": error.message})
                await asyncio.sleep(_POLL_S)
            await self._wake.wait()

    async def turn(self) -> None:
        """Make the jobs whose time has come and begin as many jobs as there are places; in a pause, give back what runs."""
        if await self._db.read(self._paused):
            for running in list(self._running.values()):
                running.end("paused")
            return
        await make_due(self._db, self._schedules, self._paused)
        if len(self._running) < self._places:
            for held in await self.claim(self._places - len(self._running)):
                self._begin(held)

    async def claim(self, at_most: int) -> list[Held]:
        """Take jobs from all queues that have any; none is preferred."""
        queues = [queue for queue in await self._db.read(queries.due, LEASE_US) if queue in self._limits]
        random.shuffle(queues)
        taken: list[Held] = []
        for queue in queues:
            limits = (at_most - len(taken), self._limits[queue])
            taken += await self._db.write(partial(self._take, queue=queue, limits=limits)) if limits[0] else []
        return taken

    async def _take(self, tx: Transaction, queue: str, limits: tuple[int, int]) -> list[Held]:
        # Asked again: whoever makes the pause and then counts what runs must not miss what is taken a moment later.
        if await self._paused(tx):
            return []
        return await queries.claim(tx, queue, list(self._kinds), limits, LEASE_US)

    async def perform(self, held: Held) -> None:
        """Run one attempt and record how it ended, unless the lease was lost."""
        context = Context(self._db, held)
        try:
            kind = self._kinds[held.kind]
            await kind.handler(context, msgspec.json.decode(held.arguments, type=kind.job))
            await context.end()
            _log.debug("job_done", extra={"job": held.id, "kind": held.kind})
        except asyncio.CancelledError:
            raise
        except self._refusal:
            await self._record(partial(queries.give_back, held=held))
        except LeaseLost:
            _log.warning("job_lease_lost", extra={"job": held.id, "kind": held.kind})
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its job's failure, logged here
            await self._fail(held, error)

    async def _fail(self, held: Held, error: Exception) -> None:
        _log.error("job_attempt_failed", extra={"job": held.id, "kind": held.kind, "attempt": held.attempt}, exc_info=error)
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(held.attempt - 1, 30), _LONGEST_PAUSE_S) * random.uniform(0.75, 1.25)
        reason = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode().replace("\0", "?")[:_LONGEST_ERROR]
        await self._record(partial(queries.fail, held=held, reason=reason, pause_us=seconds_us(pause_s)))

    async def _record(self, body: Callable[[Transaction], Awaitable[bool]]) -> None:
        """Record an end. When the database is away, the lease runs out and another attempt is made."""
        try:
            await self._db.write(body)
        except Unavailable as error:
            _log.warning("job_end_not_recorded", extra={"reason": error.message})

    def _begin(self, held: Held) -> None:
        self._running[held.owner] = _Running(held, asyncio.create_task(self._attend(held), name=f"job {held.id}"))

    async def _attend(self, held: Held) -> None:
        """Perform a job; when it was told to end, say so in its row."""
        try:
            await self.perform(held)
        except asyncio.CancelledError:
            ending = self._running[held.owner].ending
            if not ending:
                raise  # this process itself is ending
            _log.info("job_ended", extra={"job": held.id, "kind": held.kind, "why": ending})
            if ending != "lost":
                ended = queries.end_cancelled if ending == "cancelled" else queries.give_back
                await self._record(partial(ended, held=held))
        finally:
            del self._running[held.owner]
            self._wake.set()

    async def beat(self) -> None:
        """Renew all leases, and end the jobs whose lease is lost or that are to be cancelled."""
        await asyncio.gather(*(self._renew(running) for running in list(self._running.values())))

    async def _renew(self, running: _Running) -> None:
        renew = partial(queries.hold, held=running.held, lease_us=LEASE_US)
        try:
            async with asyncio.timeout(_BEAT_S):  # a job whose own transaction has its row locked must not hold up the others
                asked = await self._db.write(renew, durable=False)
        except (Unavailable, TimeoutError):
            running.missed += 1
            if running.missed >= _MISSED_BEATS:
                running.end("lost")  # by now another process may have it
            return
        running.missed = 0
        if asked is not False and running.held.owner in self._running:
            running.end("lost" if asked is None else "cancelled")

    async def _beat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            await self.beat()

    async def _watch(self) -> None:
        """Wake the loop after commits, and now and then in any case: for what is due later, and for lost announcements."""
        while True:
            try:
                await self._db.changed(_POLL_S)
            except Unavailable:
                await asyncio.sleep(_POLL_S)
            self._wake.set()

    async def _wind_up(self) -> None:
        tasks = [each.task for each in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_S)
        for running in list(self._running.values()):
            running.end("stopped")
        await asyncio.gather(*tasks, return_exceptions=True)
