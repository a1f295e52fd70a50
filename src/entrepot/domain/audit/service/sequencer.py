"""The sequencer: gives the rows that were committed their places in the chain, within a second.

It is not done in the transactions that cause acts, which would wait for one another then. A row waits as long as it has no place,
so that one which is committed late, behind rows with higher numbers, is found like any other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from entrepot.base.errors import Unavailable
from entrepot.domain.audit.chain import linked
from entrepot.domain.audit.queries import chain
from entrepot.platform.db.database import Database, Reader, Transaction

_log: Final = logging.getLogger(__name__)
_BATCH: Final = 200
_LOOK_EVERY_S: Final = 0.5
_AWAY_S: Final = 1.0


async def _never(_db: Reader) -> bool:
    return False


class Sequencer:
    """Makes the chain longer; any number of processes may."""

    def __init__(self, db: Database, paused: Callable[[Reader], Awaitable[bool]] = _never) -> None:
        """While the query `paused` says so, as in the read-only mode, rows wait."""
        self._db = db
        self._paused = paused

    async def catch_up(self) -> int:
        """Give a place to all rows that wait; return how many."""
        placed = 0
        while await self._db.read(chain.is_any_waiting):
            some = await self._db.write(self._step)
            if not some:
                break
            placed += some
        return placed

    async def run(self) -> None:
        """Do so for ever. The database may go away and come back."""
        while True:
            try:
                await self.catch_up()
                await asyncio.sleep(_LOOK_EVERY_S)
            except Unavailable as error:
                _log.debug("audit_waits_for_database", extra={"reason": error.message})
                await asyncio.sleep(_AWAY_S)

    async def _step(self, tx: Transaction) -> int:
        if await self._paused(tx):
            return 0
        head = await chain.lock(tx)
        position, digest, placed = head.position, head.digest, []
        # Read behind the lock, so that nobody else has placed them meanwhile.
        for event in await chain.waiting(tx, _BATCH):
            position += 1
            digest = linked(digest, position, event)
            placed.append((event.id, position, digest))
        if placed:
            await chain.extend(tx, placed)
        return len(placed)
