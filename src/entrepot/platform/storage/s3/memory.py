"""How many bytes of uploads wait in the memory of this process, for a store that takes no piece smaller than a part."""

import asyncio
from typing import Final

_BUDGET_BYTES: Final = 64 << 20
_PATIENCE_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.05


class Memory:
    """The bytes of each holder. It refuses nobody: who finds it full writes to the store what it would have kept."""

    def __init__(self, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._held: dict[int, int] = {}
        self.held_bytes = 0

    def count(self, holder: int, size_bytes: int) -> None:
        """Note how much a holder has now; 0 forgets it."""
        self.held_bytes += size_bytes - self._held.pop(holder, 0)
        if size_bytes:
            self._held[holder] = size_bytes

    async def fits(self) -> bool:
        """Tell whether all that waits may stay; for a second it is waited for parts that are on their way."""
        for _ in range(int(_PATIENCE_S / _LOOK_EVERY_S)):
            if self.held_bytes <= self._budget_bytes:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False
