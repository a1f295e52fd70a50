"""Runs two actors statement by statement in a chosen order, so that a race is a schedule and not luck.

On PostgreSQL an actor stops before each statement and before each commit. On SQLite a transaction cannot stop in its middle,
nor can another one come in between, so that an actor stops before each transaction and each read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from entrepot.platform.db.database import Database, Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Row, Statement, Value

# An actor that has not come to its next stop by then waits for a lock of the other one.
_BLOCKED_AFTER_S: Final = 0.04
_LIMIT_S: Final = 20.0


class Actor:
    """One of the two: it goes on when it is let."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(0)
        self._stopped = asyncio.Event()
        self._free = False
        self.stops = 0
        self.task: asyncio.Task[Any] | None = None

    async def stop(self) -> None:
        """Wait until the schedule lets this actor go on."""
        self.stops += 1
        if not self._free:
            self._stopped.set()
            await self._permits.acquire()

    def start(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Begin, up to the first stop."""
        self.task = asyncio.ensure_future(work())

    async def step(self) -> None:
        """Let it go to its next stop, its end, or the lock that it must wait for."""
        self._stopped.clear()
        self._permits.release()
        await self._settle()

    async def run_on(self) -> None:
        """Let it go to its end, or the lock that it must wait for."""
        self._free = True
        self._stopped.clear()
        self._permits.release()
        await self._settle()

    async def arrive(self) -> None:
        """Wait until it has come to its first stop."""
        await self._settle()

    async def _settle(self) -> None:
        if self.task is None:
            raise AssertionError("it was not started")
        waiting = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait([self.task, waiting], timeout=_BLOCKED_AFTER_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


class Ended(NamedTuple):
    """How an actor ended: its result or its error, and how often it stopped."""

    result: Any
    stops: int


async def interleave(
    first: tuple[Actor, Callable[[], Awaitable[Any]]], second: tuple[Actor, Callable[[], Awaitable[Any]]], switches: Sequence[int]
) -> tuple[Ended, Ended]:
    """Run both: the first goes `switches[0]` steps, then the second `switches[1]`, and so on in turn; then each to its end."""
    actors = [first[0], second[0]]
    for actor, work in (first, second):
        actor.start(work)
        await actor.arrive()
    for turn, steps in enumerate(switches):
        for _ in range(steps):
            await actors[turn % 2].step()
    # Whoever did not have the last turn ends first: that is what makes `switches` a list of switches.
    for actor in (actors[len(switches) % 2], actors[(len(switches) + 1) % 2]):
        await actor.run_on()
    async with asyncio.timeout(_LIMIT_S):
        results = await asyncio.gather(*(actor.task for actor in actors if actor.task), return_exceptions=True)
    return Ended(results[0], actors[0].stops), Ended(results[1], actors[1].stops)


def schedules(stops: tuple[int, int], *, deep: bool) -> Iterator[list[int]]:
    """List schedules of two actors: all with one switch from either side, and with `deep` all with two."""
    for steps in range(stops[0] + 1):
        yield [steps]
    for steps in range(1, stops[1] + 1):
        yield [0, steps]
    if deep:
        for one in range(1, stops[0] + 1):
            yield from ([one, other] for other in range(1, stops[1] + 1))
            yield from ([0, other, one] for other in range(1, stops[1] + 1))


class Stepped:
    """A database for one actor, which stops as this module's docstring says."""

    def __init__(self, db: Database, actor: Actor, *, inside: bool) -> None:
        self._db = db
        self._actor = actor
        self._inside = inside

    async def open(self) -> None:
        """Pass it on."""
        await self._db.open()

    async def close(self) -> None:
        """Pass it on."""
        await self._db.close()

    async def changed(self, timeout_s: float) -> None:
        """Pass it on."""
        await self._db.changed(timeout_s)

    async def read(self, query: Callable[..., Awaitable[Any]], *words: Any, **named: Any) -> Any:
        """Stop, then pass it on."""
        await self._actor.stop()

        async def passed(reader: Reader) -> Any:
            return await query(reader, *words, **named)

        return await self._db.read(passed)

    async def recall(self, query: Callable[..., Awaitable[Any]], *words: str) -> Any:
        """Do what `read` does."""
        return await self.read(query, *words)

    async def write(self, body: Callable[[Transaction], Awaitable[Any]], *, durable: bool = True) -> Any:
        """Stop before it, or before each statement and the commit."""
        if not self._inside:
            await self._actor.stop()
            return await self._db.write(body, durable=durable)

        async def stepped(tx: Transaction) -> Any:
            result = await body(_SteppedTransaction(tx, self._actor))
            await self._actor.stop()
            return result

        return await self._db.write(stepped, durable=durable)


class _SteppedTransaction:
    def __init__(self, inner: Transaction, actor: Actor) -> None:
        self._inner = inner
        self._actor = actor

    async def one(self, statement: Statement, **parameters: Value) -> Row | None:
        await self._actor.stop()
        return await self._inner.one(statement, **parameters)

    async def all(self, statement: Statement, **parameters: Value) -> Sequence[Row]:
        await self._actor.stop()
        return await self._inner.all(statement, **parameters)

    async def all_of(self, statement: ListStatement, values: Sequence[Value], **parameters: Value) -> list[Row]:
        await self._actor.stop()
        return await self._inner.all_of(statement, values, **parameters)

    async def run(self, statement: Statement, **parameters: Value) -> int:
        await self._actor.stop()
        return await self._inner.run(statement, **parameters)

    async def many(self, statement: Statement, rows: Sequence[dict[str, Value]]) -> None:
        await self._actor.stop()
        await self._inner.many(statement, rows)
