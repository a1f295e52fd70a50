"""What becomes of old rows: addresses are cut, and months that are over long enough are pruned, up to an anchor.

Neither breaks the chain: it never covered what a cut takes away, and the anchor of the last row that was pruned has the digest
that the first one which is kept goes on from.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from entrepot.base.clock import seconds_us
from entrepot.domain.audit.model import HUB, Act, Author, Deed
from entrepot.domain.audit.queries import chain, events
from entrepot.domain.audit.service.anchors import Anchors
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction

_BATCH: Final = 500
_DAY_S: Final = 86_400
_MONTHS: Final = 12


async def _at_once() -> None:
    """Do not rest."""


class Upkeep:
    """Cuts and prunes, in small steps."""

    def __init__(self, db: Database, anchors: Anchors) -> None:
        self._db = db
        self._anchors = anchors

    async def cut_addresses(self, days: int, rest: Callable[[], Awaitable[None]] = _at_once) -> int:
        """Leave of addresses that are older than so many days the /24 or /48; return of how many."""
        cut = 0
        while ids := await self._db.read(events.with_whole_address, seconds_us(days * _DAY_S), _BATCH):
            cut += await self._db.write(partial(events.cut, ids=ids))
            await rest()
        return cut

    async def prune(self, months: int, by: Author = HUB, rest: Callable[[], Awaitable[None]] = _at_once) -> int:
        """Delete the rows of months before the last `months` whole ones, as far as anchors stand for them; return how many.

        The chain's new beginning is signed, and recorded as an act of its own, before a row goes: a run that is broken off is
        continued by the next one.
        """
        began = month_before(await self._db.read(chain.now), months)
        anchor = await self._db.read(chain.last_anchor, began)
        head = await self._db.read(chain.head)
        if head is None:
            return 0
        floor = head.floor
        if anchor is not None and anchor.position > floor:
            signed = await self._anchors.statement_of_floor(anchor)
            floor = await self._db.write(partial(_raise_floor, position=anchor.position, signed=signed, by=by))
        pruned = 0
        while some := await self._db.write(partial(events.prune, floor=floor, limit=_BATCH)):
            pruned += some
            await rest()
        return pruned


def month_before(now_us: int, months: int) -> int:
    """Return when the month began that lies so many whole months before the current one; microseconds UTC."""
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    year, month = divmod(now.year * _MONTHS + now.month - 1 - months, _MONTHS)
    return int(datetime(max(year, 1970), month + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


async def _raise_floor(tx: Transaction, position: int, signed: str, by: Author) -> int:
    floor = (await chain.lock(tx)).floor
    if position <= floor:
        return floor  # another process was faster
    await chain.raise_floor(tx, position, signed)
    await record(tx, by, Deed(Act.AUDIT_PRUNE, "", f"rows up to {position}", {"from": floor + 1, "to": position}))
    return position
