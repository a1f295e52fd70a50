"""What people do with jobs: look at them, cancel, retry and drop them."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import queries
from entrepot.platform.jobs.model import JobRefused, JobRow, JobUnknown, State

_NEWEST: Final = (1 << 63) - 1
Verb = Literal["cancel", "retry", "drop"]
Note = Callable[[Transaction, Verb, JobRow], Awaitable[None]]
_DONE: Final[dict[Verb, Callable[[Transaction, int], Awaitable[bool]]]] = {
    "cancel": queries.cancel,
    "retry": queries.retry,
    "drop": queries.drop,
}


async def _not_noted(_tx: Transaction, _verb: Verb, _row: JobRow) -> None:
    """Do nothing."""


class Board:
    """The jobs of a database."""

    def __init__(self, db: Database, note: Note = _not_noted) -> None:
        """Take what writes down, in the same transaction, what was done to which job of which kind."""
        self._db = db
        self._note = note

    async def jobs(self, state: State | None, *, before: int = _NEWEST, limit: int) -> list[JobRow]:
        """Return jobs, newest first, whose id is below `before`."""
        return await self._db.read(queries.listed, state, before, limit)

    async def job(self, id_: int) -> JobRow:
        """Return a job.

        Raises:
            JobUnknown
        """
        found = await self._db.read(queries.one, id_)
        if found is None:
            raise JobUnknown(job=id_)
        return found

    async def count_running(self) -> int:
        """Return how many jobs run on all nodes."""
        return await self._db.read(queries.count_running)

    async def cancel(self, id_: int) -> JobRow:
        """Cancel a job that waits at once, one that runs at its process's next heartbeat; return it as it is now.

        Raises:
            JobUnknown, JobRefused: it has ended.
        """
        if not await self._do("cancel", id_):
            raise JobRefused(job=id_, state=(await self.job(id_)).state, why="only one that waits or runs can be cancelled")
        return await self.job(id_)

    async def retry(self, id_: int) -> JobRow:
        """Make a failed or cancelled job ready again, with all its attempts.

        Raises:
            JobUnknown, JobRefused
        """
        if not await self._do("retry", id_):
            why = "only one that failed or was cancelled can be retried, and only while no other one has its key"
            raise JobRefused(job=id_, state=(await self.job(id_)).state, why=why)
        return await self.job(id_)

    async def drop(self, id_: int) -> None:
        """Delete a job that has ended.

        Raises:
            JobUnknown, JobRefused
        """
        if not await self._do("drop", id_):
            raise JobRefused(job=id_, state=(await self.job(id_)).state, why="cancel it before it is dropped")

    async def _do(self, verb: Verb, id_: int) -> bool:
        row = await self.job(id_)

        async def do(tx: Transaction) -> bool:
            done = await _DONE[verb](tx, id_)
            if done:
                await self._note(tx, verb, row)
            return done

        return await self._db.write(do)
