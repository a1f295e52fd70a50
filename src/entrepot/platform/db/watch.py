"""Whether a database beyond the network answers: one look finds out for all who ask, and who asks a dead one does not wait.

A server that was stopped refuses at once, one that hangs or was cut off says nothing. So whenever something waits and nothing
was answered for a while, and whenever a connection broke, the watch looks by itself. What it finds holds for all: while the
database is away everything is refused at once, and the watch goes on looking until it answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from entrepot.platform.db.database import DatabaseAway

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.25
_SUSPICIOUS_S: Final = 1.0  # something waits, and nothing was answered for so long
_IDLE_S: Final = 5.0  # nobody asks, and nothing was answered for so long
_PATIENCE_S: Final = 3.0  # with one look: a handshake, with TLS and a password, and one row


class Watch:
    """Watches one database; `look` raises or hangs when it does not answer, `lost` drops what is connected to it."""

    def __init__(self, look: Callable[[], Awaitable[object]], lost: Callable[[], None]) -> None:
        self._look = look
        self._lost = lost
        self._running: dict[Calling, float] = {}  # those that wait for the database, the oldest first
        self._is_away = False
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on, when the database has just answered."""
        self._loop = asyncio.get_running_loop()
        self.answered()
        self._patrol = asyncio.create_task(self._go_on_looking(), name="database watch")

    async def end(self) -> None:
        """Watch no more."""
        tasks = [task for task in (self._patrol, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def calling(self) -> "Calling":
        """Return a block in which the database is waited for: it ends with DatabaseAway when the database is found away."""
        return Calling(self)

    def answered(self) -> None:
        """Note that the database has just answered."""
        self._answered = self._loop.time()

    def require(self) -> None:
        """Do nothing while the database is not known to be away.

        Raises:
            DatabaseAway
        """
        if self._is_away:
            raise DatabaseAway(self._loop.time() - self._answered)

    async def verdict(self) -> None:
        """Find out whether the database answers, after something went wrong with it; many who ask wait for one look.

        Raises:
            DatabaseAway
        """
        if not self._is_away:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._find_out(), name="database look")
            await asyncio.shield(self._looking)
        self.require()

    async def _go_on_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._is_away:
                await self._find_out()
            elif self._is_suspicious():
                try:
                    await self.verdict()
                except DatabaseAway:
                    continue

    def _is_suspicious(self) -> bool:
        now = self._loop.time()
        oldest = next(iter(self._running.values()), None)
        if oldest is None:
            return now - self._answered > _IDLE_S
        return now - max(oldest, self._answered) > _SUSPICIOUS_S

    async def _find_out(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._look()
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, it does not answer
            self._found_away(error)
            return
        if self._is_away:
            _log.info("database_back", extra={"away_s": round(self._loop.time() - self._answered, 1)})
        self._is_away = False
        self.answered()

    def _found_away(self, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        cause = error if isinstance(error, TimeoutError) else error.__cause__ or error
        reason = f"{type(cause).__name__}: {cause}".removesuffix(": ")
        _log.warning("database_away", extra={"reason": reason})
        self._lost()
        for calling in self._running:
            calling.interrupt()


class Calling:
    """Waits for the database inside its block, at most until it is found away."""

    __slots__ = ("_limit", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def __aenter__(self) -> Self:
        watch = self._watch
        watch.require()
        self._limit = asyncio.timeout(None)
        await self._limit.__aenter__()
        watch._running[self] = watch._loop.time()  # noqa: SLF001 - the watch's own other half
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        del self._watch._running[self]  # noqa: SLF001 - see above
        if kind is None:
            self._watch.answered()
        await self._limit.__aexit__(kind, error, trace)

    def interrupt(self) -> None:
        """End the block now with a TimeoutError."""
        if self._limit.when() is None:
            self._limit.reschedule(self._watch._loop.time())  # noqa: SLF001 - see above
