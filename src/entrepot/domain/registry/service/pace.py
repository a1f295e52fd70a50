"""How fast a check may read: everything at once would be felt by everyone who pulls."""

import asyncio
import time


class Pace:
    """Lets at most so many bytes pass in a second; 0 lets all pass."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._due = time.monotonic()

    async def after(self, size: int) -> None:
        """Wait as long as reading `size` bytes should have taken."""
        if self._bytes_per_s:
            # What was not used in time is not saved up.
            self._due = max(self._due, time.monotonic() - 1) + size / self._bytes_per_s
            await asyncio.sleep(self._due - time.monotonic())
