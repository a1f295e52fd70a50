"""Who and what there is on the hub, for those who administer it: lists by name, and numbers as far as they are told at once."""

from collections.abc import Mapping
from typing import Final

from entrepot.domain.accounts.events import SendNotice
from entrepot.domain.accounts.mails import Notice
from entrepot.domain.accounts.model import Account, Listed
from entrepot.domain.accounts.queries import accounts, directory
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue

_MOST_TOLD: Final = 20


class Directory:
    """All users and organisations."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def users(self, begins: str, last: str, limit: int) -> list[Account]:
        """Return the users whose names begin so and come behind `last`, in byte order, at most `limit`."""
        return await self._db.read(accounts.beginning, begins, last, limit)

    async def organisations(self, begins: str, last: str, limit: int) -> list[Listed]:
        """Return the organisations whose names begin so and come behind `last`, in byte order, at most `limit`."""
        return await self._db.read(directory.organisations, begins, last, limit)

    async def counts(self, most: int) -> tuple[int, int]:
        """Return how many users and organisations there are; no more than `most` are counted."""
        return await self._db.read(directory.count_users, most), await self._db.read(directory.count_organisations, most)


async def tell_administrators(tx: Transaction, notice: Notice, facts: Mapping[str, str]) -> None:
    """Have those who administer the hub told of something by mail, as far as they have an address."""
    for email, language in await directory.addresses_of_administrators(tx, _MOST_TOLD):
        await enqueue(tx, SendNotice(email, notice, dict(facts), language))
