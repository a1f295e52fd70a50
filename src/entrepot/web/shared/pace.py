"""How long a body may keep us waiting. What it makes wait is only what is waited for: our own disk is no fault of the client's.

A body is over when it brings nothing for a minute, or hardly anything for two. The rate is one that a telephone line of the
nineties had several times over: it is not for the slow, but for those who hold a request open for days with a byte a minute.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from entrepot.base.errors import EntrepotError

_SILENCE_S: Final = 60.0
_LOOKED_AT_EVERY_S: Final = 120.0
_LEAST_BYTES: Final = 60 << 10  # in that time: 512 bytes a second
IN_MEMORY_S: Final = 300.0  # for a whole body that is kept in memory, of which there is little for all


class BodyTooSlow(EntrepotError):
    """The body comes so slowly that its client has left, or means harm."""

    summary = (
        "the body brought {came} bytes in {seconds} seconds, which is too slow: send it again, an upload from the offset that it "
        "has now"
    )


class Pace:
    """What one body has made us wait; `at_most_s` is for all of it."""

    __slots__ = ("_at_most_s", "_came", "_waited_s")

    def __init__(self, at_most_s: float = math.inf) -> None:
        self._at_most_s = at_most_s
        self._waited_s = 0.0  # since it was looked at last
        self._came = 0

    async def next(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> MutableMapping[str, Any]:
        """Return what comes next.

        Raises:
            BodyTooSlow
        """
        self._look()
        began = time.monotonic()
        try:
            async with asyncio.timeout(_SILENCE_S):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow(came=0, seconds=round(_SILENCE_S)) from None
        waited_s = time.monotonic() - began
        self._waited_s += waited_s
        self._at_most_s -= waited_s
        self._came += len(message.get("body") or b"")
        return message

    def _look(self) -> None:
        """Judge what came; asked before the next wait, so that nothing which came is thrown away."""
        if self._at_most_s <= 0 or (self._waited_s > _LOOKED_AT_EVERY_S and self._came < _LEAST_BYTES):
            raise BodyTooSlow(came=self._came, seconds=round(self._waited_s))
        if self._waited_s > _LOOKED_AT_EVERY_S:
            self._waited_s = 0.0
            self._came = 0
