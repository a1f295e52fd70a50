"""Pauses of work that nobody waits for: whoever is waited for comes first."""

import asyncio
import time
from typing import Final

_REST: Final = 3
_LONGEST_REST_S: Final = 1.0


class Rests:
    """Keeps the time since the last rest; work that rests after each small step takes a quarter of the time at most."""

    def __init__(self) -> None:
        self._rested_at = time.monotonic()

    async def rest(self) -> None:
        """Pause for three times as long as was worked since the last rest, a second at most."""
        await asyncio.sleep(min((time.monotonic() - self._rested_at) * _REST, _LONGEST_REST_S))
        self._rested_at = time.monotonic()
