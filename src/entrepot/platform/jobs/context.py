"""What a handler is given: the right to change the database as the holder of its job, and nothing beyond that."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.rests import Rests
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import queries
from entrepot.platform.jobs.model import Held, LeaseLost, Progress

LEASE_S: Final = 10.0
LEASE_US: Final = seconds_us(LEASE_S)
_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)


async def _nothing(_tx: Transaction) -> None:
    """Change nothing but the job's own row."""


class Context:
    """One attempt of a job. Every method raises LeaseLost when the job is not held any more, and then changed nothing."""

    def __init__(self, db: Database, held: Held) -> None:
        self._db = db
        self._held = held
        self._checkpoint = held.checkpoint
        self.finished = False
        self._rests = Rests()

    @property
    def job(self) -> int:
        """The job's id."""
        return self._held.id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._held.attempt

    def checkpoint(self, kind: type[_S]) -> _S | None:
        """Return what was saved last, by this attempt or an earlier one."""
        return msgspec.json.decode(self._checkpoint, type=kind) if self._checkpoint else None

    async def rest(self) -> None:
        """Pause, so that pulls hardly feel the job: each of its commits makes those on SQLite forget what they recalled."""
        await self._rests.rest()

    async def save(self, checkpoint: msgspec.Struct) -> None:
        """Save where a later attempt is to go on."""
        await self.write(_nothing, checkpoint=checkpoint)

    async def write(self, body: Callable[[Transaction], Awaitable[_T]], *, checkpoint: msgspec.Struct | None = None) -> _T:
        """Run a body as `db.write` does, while the job is locked; it commits with the checkpoint, or neither does."""
        saved = None if checkpoint is None else msgspec.json.encode(checkpoint).decode()

        async def fenced(tx: Transaction) -> _T:
            await self._lock(tx)
            result = await body(tx)
            if saved is not None:
                await queries.save_checkpoint(tx, self._held, saved)
            return result

        result = await self._db.write(fenced)
        self._checkpoint = saved or self._checkpoint
        return result

    async def finish(self, body: Callable[[Transaction], Awaitable[_T]]) -> _T:
        """Run a body that commits with the end of the job: it takes effect once, however often the job is tried."""

        async def last(tx: Transaction) -> _T:
            await self._lock(tx)
            result = await body(tx)
            await queries.finish(tx, self._held)
            return result

        result = await self._db.write(last)
        self.finished = True
        return result

    async def end(self) -> None:
        """End the job; the engine does it for a handler that returns."""
        if not self.finished:
            await self.finish(_nothing)

    async def progress(self, done: int, total: int = 0, note: str = "") -> None:
        """Tell people how far it has come."""
        said = msgspec.json.encode(Progress(done, total, note)).decode()

        async def told(tx: Transaction) -> None:
            await self._lock(tx)
            await queries.save_progress(tx, self._held, said)

        await self._db.write(told, durable=False)

    async def _lock(self, tx: Transaction) -> None:
        """Lock the job's row, and with it the lease, until the transaction ends."""
        if await queries.hold(tx, self._held, LEASE_US) is None:
            raise LeaseLost(job=self._held.id)
