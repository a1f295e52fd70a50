"""What becomes of old rows of accounts: addresses are cut, and tokens that have long proved nothing are deleted."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from entrepot.base.addresses import shortened
from entrepot.base.clock import seconds_us
from entrepot.domain.accounts.queries import credentials, sessions
from entrepot.platform.db.database import Database, Transaction

_BATCH: Final = 500
_DAY_S: Final = 86_400
_CUTTING: Final = (
    (credentials.with_whole_address, credentials.cut),
    (sessions.with_whole_address, sessions.cut),
)
_KEPT_DAYS: Final = 90  # whoever looks why something is refused finds what it was


class AccountUpkeep:
    """Cuts and deletes, in small steps."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def cut_addresses(self, days: int) -> int:
        """Leave of addresses that were seen more than so many days ago the /24 or /48; return of how many; 0 days for none."""
        age_us, count = seconds_us(days * _DAY_S), 0
        for find, cut in _CUTTING if days else ():
            while found := await self._db.read(find, age_us, _BATCH):
                count += await self._db.write(partial(_cut, cut=cut, found=found), durable=False)
        return count

    async def prune_credentials(self) -> int:
        """Delete tokens and robots that were revoked or expired long ago; return how many."""
        return await self._db.write(partial(credentials.prune, age_us=seconds_us(_KEPT_DAYS * _DAY_S)), durable=False)


async def _cut(
    tx: Transaction, cut: Callable[[Transaction, str, str, str], Awaitable[int]], found: Sequence[tuple[str, str]]
) -> int:
    """Cut some; what cannot be read as an address goes wholly, or it would be found again for ever."""
    kept = {address: shortened(address) for _, address in found}
    return sum([await cut(tx, id_, address, kept[address] if "/" in kept[address] else "") for id_, address in found])
