"""Following the changes of repositories: whoever makes something of them reads here what is new, and misses nothing."""

from typing import Final

from entrepot.base.clock import seconds_us
from entrepot.domain.registry.model import Change, Mark
from entrepot.domain.registry.queries import changes
from entrepot.platform.db.database import Database

KEPT_US: Final = seconds_us(7 * 86_400)


class Changes:
    """The changes of the last week."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def after(self, mark: Mark, limit: int) -> list[Change]:
        """Return changes behind a mark, in order, at most `limit`."""
        return await self._db.read(changes.after, mark, limit)

    async def end(self) -> Mark:
        """Return the mark of the last change."""
        return await self._db.read(changes.end)

    async def leads_on_from(self, mark: Mark) -> bool:
        """Tell whether all that came behind a mark can be read: it is of this database, and was not forgotten."""
        return mark == Mark() or await self._db.read(changes.is_there, mark)

    async def clocks(self) -> tuple[int, int]:
        """Return the transaction before which all have ended, and the database's time in microseconds UTC."""
        return await self._db.read(changes.clocks)

    async def forget(self) -> int:
        """Delete what is older than a week; return how many."""
        return await self._db.write(lambda tx: changes.forget(tx, KEPT_US), durable=False)
