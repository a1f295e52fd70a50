"""How much uploads hold in this process's memory: within a limit, whatever their clients do.

Who wants more than there is room for waits, and so does its client. Meanwhile what slow clients have sent is written to the store
as it is, the most first, and one upload at a time may go beyond the limit: so the parts of fast ones always become full.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from entrepot.base.errors import EntrepotError

LIMIT: Final = 64 << 20
_SLOW_S: Final = 2.0  # whoever has not sent a part for so long is slow
_LOOK_EVERY_S: Final = 0.25


class Memory:
    """What all uploads of a process hold together."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.used = 0
        self._limit = limit
        self._shares: set[Share] = set()
        self._queue: list[Share] = []
        self._favoured: Share | None = None
        self._joining: Share | None = None
        self._changes: set[asyncio.Future[None]] = set()
        self._clearing: asyncio.Task[None] | None = None

    @property
    def uploads(self) -> int:
        """How many uploads have a share."""
        return len(self._shares)

    def share(self, store: Callable[[], Awaitable[None]], require: Callable[[], None]) -> "Share":
        """Return an upload's share; `store` makes what waits in it durable, and `require` raises when the store is away."""
        share = Share(self, store, require)
        self._shares.add(share)
        return share

    def has_room(self, share: "Share", size: int) -> bool:
        """Tell whether a share may take more; one at a time may in any case, until it gives something back."""
        if self.used + size <= self._limit:
            return True
        if self._favoured is None and self._queue and self._queue[0] is share:
            self._favoured = share
        return self._favoured is share

    async def wait(self, share: "Share", size: int) -> None:
        """Wait until there is room."""
        self._queue.append(share)
        try:
            while not self.has_room(share, size):
                share.require()
                if self._clearing is None or self._clearing.done():
                    self._clearing = asyncio.create_task(self._clear(), name="writing what slow uploads hold")
                await self._change()
        finally:
            self._queue.remove(share)

    def gave(self, share: "Share") -> None:
        """Let others look whether there is room now."""
        if self._favoured is share:
            self._favoured = None
        for change in self._changes:
            if not change.done():
                change.set_result(None)

    def forget(self, share: "Share") -> None:
        """Count a share no more that holds nothing."""
        self._shares.discard(share)

    @asynccontextmanager
    async def joining(self, share: "Share") -> AsyncIterator[None]:
        """Let one upload at a time read back what was written, beyond the limit; whoever does waits for no room.

        All others wait meanwhile: so nothing belongs into the block but reading back, and storing that. Raises BucketAway.
        """
        while self._joining is not None and self._joining is not share:
            share.require()
            await self._change()
        self._joining = share
        try:
            yield
        finally:
            self._joining = None
            self.gave(share)

    async def _change(self) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.add(change)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await change
        finally:
            self._changes.discard(change)

    async def _clear(self) -> None:
        """Write what slow uploads hold, as long as anyone waits for room."""
        while self._queue:
            slow = [share for share in self._shares if share not in self._queue and share.is_slow()]
            if slow:
                await max(slow, key=lambda share: share.waiting).write()
            else:
                await asyncio.sleep(_LOOK_EVERY_S)


class Share:
    """What one upload holds: bytes that wait, and bytes that are being sent. `lock` keeps its two users apart."""

    def __init__(self, memory: Memory, store: Callable[[], Awaitable[None]], require: Callable[[], None]) -> None:
        self.require = require
        self.waiting = 0
        self.sending = 0
        self.lock = asyncio.Lock()
        self._memory = memory
        self._store = store
        self._since = 0.0

    async def take(self, size: int) -> None:
        """Count bytes that came, when there is room for them. Raises BucketAway."""
        if not self._memory.has_room(self, size):
            began = _now()
            await self._memory.wait(self, size)
            self._since += _now() - began  # that was not its client's fault
        self.add(size)

    def add(self, size: int) -> None:
        """Count bytes, whether or not there is room."""
        if not self.waiting:
            self._since = _now()
        self.waiting += size
        self._memory.used += size

    def send(self, size: int) -> None:
        """Note that so much of what waits is being sent."""
        self.waiting -= size
        self.sending += size

    def sent(self, size: int) -> None:
        """Count bytes no more that were sent."""
        self.sending -= size
        self._memory.used -= size
        self._memory.gave(self)

    def stored(self, size: int) -> None:
        """Count bytes no more that waited."""
        self.waiting -= size
        self._memory.used -= size
        self._memory.gave(self)

    def close(self) -> None:
        """Give back everything."""
        self.stored(self.waiting)
        self.sent(self.sending)
        self._memory.forget(self)

    @asynccontextmanager
    async def joining(self) -> AsyncIterator[None]:
        """Do `Memory.joining`."""
        async with self._memory.joining(self):
            yield

    def is_slow(self) -> bool:
        """Tell whether its bytes have waited for long, and nobody works on them."""
        return self.waiting > 0 and not self.lock.locked() and _now() - self._since > _SLOW_S

    async def write(self) -> None:
        """Have what waits written; what cannot be is tried again after a while."""
        self._since = _now()
        with suppress(EntrepotError):
            await self._store()


def _now() -> float:
    return asyncio.get_running_loop().time()
