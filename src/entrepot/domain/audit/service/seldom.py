"""Keeping the log readable: what clients do again and again, as signing in, is recorded once an hour by each process."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

_EVERY_S: Final = 3600.0
_MOST: Final = 10_000


class Seldom:
    """What this process has recorded within the hour."""

    def __init__(self) -> None:
        self._noted: OrderedDict[Hashable, float] = OrderedDict()

    def is_due(self, key: Hashable) -> bool:
        """Tell whether it is to be recorded again."""
        return time.monotonic() - self._noted.get(key, -_EVERY_S) >= _EVERY_S

    def note(self, key: Hashable) -> None:
        """Say that it was recorded, once that is committed."""
        self._noted[key] = time.monotonic()
        self._noted.move_to_end(key)
        while len(self._noted) > _MOST:
            self._noted.popitem(last=False)
