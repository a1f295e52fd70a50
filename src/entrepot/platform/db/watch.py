"""Whether a database beyond the network answers: one look finds out for all who ask, and who asks a dead one does not wait.

A server that was stopped refuses at once, one that hangs or was cut off says nothing. So whenever something waits and nothing
was answered for a while, and whenever a connection broke, the watch looks by itself. What it finds holds for all: while the
database is away everything is refused at once, and the watch goes on looking until it answers.

A connection may die alone, and silently: what is between drops what was idle, or forgets it. So when the server answers others
and a step that takes it no time is waited for, that connection and all that are not in use are ended, to be made anew.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Any, Final, Self

from entrepot.platform.db.database import DatabaseAway

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.25
_SUSPICIOUS_S: Final = 1.0  # something waits, and nothing was answered for so long
_IDLE_S: Final = 5.0  # nobody asks, and nothing was answered for so long
_OVERDUE_S: Final = 2.0  # a step that takes the server no time was not answered for so long
_ENDED_EVERY_S: Final = 10.0  # a server that is overloaded must not have all connections made anew all the time
_PATIENCE_S: Final = 3.0  # with one look: a handshake, with TLS and a password, and one row


class Watch:
    """Watches one database; `look` raises or hangs when it does not answer, `drop` ends all connections but those it is given."""

    def __init__(self, look: Callable[[], Awaitable[object]], drop: Callable[[Collection[Any]], None]) -> None:
        self._look = look
        self._drop = drop
        self._running: dict[Calling, float] = {}  # those that wait for the database, the oldest first
        self._is_away = False
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on, when the database has just answered."""
        self._loop = asyncio.get_running_loop()
        self._ended_at = self._loop.time() - _ENDED_EVERY_S
        self.answered()
        self._patrol = asyncio.create_task(self._go_on_looking(), name="database watch")

    async def end(self) -> None:
        """Watch no more."""
        tasks = [task for task in (self._patrol, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def calling(self, *, is_quick: bool = False) -> "Calling":
        """Return a block in which the database is waited for: it ends with DatabaseAway when the database is found away.

        What is quick takes the server no time, and can be done again: its connection is ended when it gives no answer.
        """
        return Calling(self, is_quick=is_quick)

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
            elif self._is_suspicious() or self._has_overdue():
                try:
                    await self.verdict()
                except DatabaseAway:
                    continue
                self._end_overdue()

    def _is_suspicious(self) -> bool:
        now = self._loop.time()
        oldest = next(iter(self._running.values()), None)
        if oldest is None:
            return now - self._answered > _IDLE_S
        return now - max(oldest, self._answered) > _SUSPICIOUS_S

    def _has_overdue(self) -> bool:
        now = self._loop.time()
        return now - self._ended_at > _ENDED_EVERY_S and any(now - calling.quick_since > _OVERDUE_S for calling in self._running)

    def _end_overdue(self) -> None:
        """End what waits on a silent connection, though the server answers, and what is idle: it is probably as dead."""
        if not self._has_overdue():
            return
        self._ended_at = now = self._loop.time()
        _log.warning("database_connections_silent")
        self._drop(
            [calling.connection for calling in self._running if calling.connection and now - calling.quick_since <= _OVERDUE_S]
        )

    async def _find_out(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._look()
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, it does not answer
            if not (isinstance(error, TimeoutError) and self._answers_others()):
                self._found_away(error)
            return
        if self._is_away:
            _log.info("database_back", extra={"away_s": round(self._loop.time() - self._answered, 1)})
        self._is_away = False
        self.answered()

    def _answers_others(self) -> bool:
        """Tell whether only a look was lost: one that began while a cable was out waits for longer than it took to mend it."""
        return not self._is_away and self._loop.time() - self._answered < _SUSPICIOUS_S

    def _found_away(self, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        cause = error if isinstance(error, TimeoutError) else error.__cause__ or error
        reason = f"{type(cause).__name__}: {cause}".removesuffix(": ")
        _log.warning("database_away", extra={"reason": reason})
        self._drop(())
        for calling in self._running:
            calling.interrupt()


class Calling:
    """Waits for the database inside its block, at most until it is found away."""

    __slots__ = ("_is_quick", "_limit", "_watch", "connection", "quick_since")

    def __init__(self, watch: Watch, *, is_quick: bool) -> None:
        self._watch = watch
        self._is_quick = is_quick
        self.connection: Any = None
        self.quick_since = math.inf

    def uses(self, connection: object) -> None:
        """Note the connection that was got for it."""
        self.connection = connection
        if self._is_quick:
            self.quick_since = self._watch._loop.time()  # noqa: SLF001 - the watch's own other half

    def may_wait(self) -> None:
        """Note that what is asked from now on may have to wait for what others hold."""
        self.quick_since = math.inf

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
