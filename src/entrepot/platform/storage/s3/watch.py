"""Whether the store answers: one look finds out for all who ask, and who waits for a dead one is told.

A store that was stopped refuses at once, one that hangs says nothing. So whenever a call was lost, and whenever one has waited
for a while in which nothing was answered, the watch looks by itself, also when whoever asked has gone. What it finds holds for
all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from entrepot.platform.storage.s3.answers import BucketAway

_log: Final = logging.getLogger(__name__)
_SILENT_S: Final = 1.0  # a call waits, and nothing was answered for so long
_PATIENCE_S: Final = 4.0  # with a look, and with those that follow when it is refused at once
_PAUSES_S: Final = (0.15, 0.6)  # between those: a store that is started anew is not away for that
_LOOK_EVERY_S: Final = 1.0


class Watch:
    """Watches one store from one loop; `look` raises or hangs when it does not answer."""

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self._answered = 0.0
        self._away = False
        self._looking: asyncio.Task[None] | None = None
        self._calling: dict[asyncio.Timeout, float] = {}

    def require(self) -> None:
        """Do nothing when the store answered lately, or was never asked. Raises BucketAway."""
        if self._away and self._looking is not None and not self._looking.done():
            raise BucketAway("storage")

    def answered(self) -> None:
        """Note that the store has just answered."""
        self._answered = asyncio.get_running_loop().time()

    @contextmanager
    def calling(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Watch a call until the block is left: it ends with a TimeoutError when the store is found away."""
        loop = asyncio.get_running_loop()
        self._calling[limit] = loop.time()
        timer = loop.call_later(_SILENT_S, self._suspect, limit)
        try:
            yield
        finally:
            timer.cancel()
            self._calling.pop(limit, None)

    async def verdict(self) -> None:
        """Find out whether the store answers, after a call was lost; many who ask wait for one look. Raises BucketAway."""
        self.require()
        await asyncio.shield(self._begin())
        self.require()

    async def end(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self._looking = None

    def _begin(self) -> "asyncio.Future[None]":
        """Look, unless that is being done; return what is done when it is known."""
        if self._looking is None or self._looking.done():
            self._away = False
            self._known = asyncio.get_running_loop().create_future()
            self._looking = asyncio.create_task(self._run(self._known), name="looking for the bucket")
        return self._known

    def _suspect(self, limit: asyncio.Timeout) -> None:
        """Look when nothing was answered since a call began, or for a while; and again later, as long as it waits."""
        if limit in self._calling:
            loop = asyncio.get_running_loop()
            if loop.time() - max(self._calling[limit], self._answered) >= _SILENT_S:
                self._begin()
            loop.call_later(_SILENT_S, self._suspect, limit)

    async def _run(self, known: "asyncio.Future[None]") -> None:
        began = asyncio.get_running_loop().time()
        try:
            reason = await self._found_away()
            self._away = bool(reason)
        finally:
            known.set_result(None)
        if not reason:
            return
        _log.warning("bucket_away", extra={"reason": reason})
        while self._away:
            if self._answered < began:
                self._end_calls()
            await asyncio.sleep(_LOOK_EVERY_S)
            began = asyncio.get_running_loop().time()
            self._away = bool(await self._found_away())
        _log.info("bucket_back")

    def _end_calls(self) -> None:
        """End all that waits. A store that answers nothing but "slow down" may still do what it has begun, so that goes on."""
        for limit in list(self._calling):
            if not limit.expired() and limit.when() is None:
                limit.reschedule(0)

    async def _found_away(self) -> str:
        """Return why the store counts as away; empty when it answers."""
        reason = ""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                for pause_s in (*_PAUSES_S, 0.0):
                    try:
                        await self._look()
                    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, it does not answer
                        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
                        await asyncio.sleep(pause_s)
                    else:
                        self.answered()
                        return ""
        except TimeoutError:
            # One that began while a cable was out waits for longer than it took to mend it, and others are answered.
            others_are_answered = asyncio.get_running_loop().time() - self._answered < _SILENT_S
            reason = reason or ("" if others_are_answered else "it is silent")
        return reason
