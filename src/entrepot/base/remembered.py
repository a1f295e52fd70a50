"""Values in memory, within a number of bytes. Whether one may still be believed is for those who put it there to know."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Remembered(Generic[_K, _V]):
    """The values that were asked for last, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[_K, tuple[_V, int]] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """Return the value when it is remembered."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: _K, value: _V, size: int) -> None:
        """Remember a value of `size` bytes that was not; those that were not asked for longest are forgotten for it."""
        self._values[key] = (value, size)
        self._size += size
        while self._size > self._limit:
            _, (_, forgotten) = self._values.popitem(last=False)
            self._size -= forgotten

    def forget(self, key: _K) -> None:
        """Forget a value, if it is remembered."""
        forgotten = self._values.pop(key, None)
        if forgotten is not None:
            self._size -= forgotten[1]

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._size = 0
