"""Small objects in memory, within a number of bytes. What lies under a key never changes, so nothing here can be stale."""

from collections import OrderedDict


class Remembered:
    """The objects that were asked for last, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._objects: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        """Return the object's bytes when they are remembered."""
        found = self._objects.get(key)
        if found is not None:
            self._objects.move_to_end(key)
        return found

    def put(self, key: str, content: bytes) -> None:
        """Remember an object that was not; those that were not asked for longest are forgotten for it."""
        self._objects[key] = content
        self._size += len(content)
        while self._size > self._limit:
            _, forgotten = self._objects.popitem(last=False)
            self._size -= len(forgotten)
