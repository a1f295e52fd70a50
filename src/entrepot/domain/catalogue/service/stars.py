"""Stars: whoever may pull an image may say that they like it."""

from typing import Final

from entrepot.domain.access.errors import Unproven
from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.catalogue.queries import stars
from entrepot.domain.registry.service import within
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_ENDLESS: Final = (1 << 63) - 1
_ROUND: Final = 100


class Stars:
    """The stars of all repositories."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._db = db
        self._rule = rule

    async def give(self, actor: Actor, name: RepositoryName) -> bool:
        """Give a repository a star; False when it has one of theirs already.

        Raises:
            RegistryReadOnly, Renamed, RepositoryUnknown, Unproven
        """
        return await self._set(actor, name, given=True)

    async def take(self, actor: Actor, name: RepositoryName) -> bool:
        """Take the star away that somebody gave; False when there is none. Raises as `give`."""
        return await self._set(actor, name, given=False)

    async def has(self, actor: Actor, name: RepositoryName) -> bool:
        """Tell whether somebody gave a repository a star, who may see it."""
        if not actor.account:
            return False
        id_ = await self._db.read(within.repository_id, name)
        return id_ is not None and await self._db.read(stars.has, actor.account, id_)

    async def given(self, actor: Actor, account: int, before: int = _ENDLESS, limit: int = _ROUND) -> list[tuple[str, int]]:
        """Return what an account gave stars and the reader may see: names and times, the last first."""
        found = await self._db.read(stars.given, account, before, limit)
        return [each for each in found if await self._rule.may(actor, Action.PULL, RepositoryName.parse(each[0]))]

    async def recount(self, after: int) -> int | None:
        """Mend some sums behind a repository's id; return the last one's id, None when all are right."""
        wrong = await self._db.read(stars.miscounted, after, _ROUND)

        async def mend(tx: Transaction) -> None:
            for each in wrong:
                await stars.recount(tx, each)
                await within.note_change(tx, each)

        if not wrong:
            return None
        await self._db.write(mend)
        return wrong[-1]

    async def _set(self, actor: Actor, name: RepositoryName, *, given: bool) -> bool:
        await self._rule.require(actor, Action.PULL, name)
        if not actor.account:
            raise Unproven(action="star", repository=name.asked, scope="")

        async def change(tx: Transaction) -> bool:
            id_ = await within.kept_id(tx, name)
            changed = await (stars.give if given else stars.take)(tx, actor.account, id_)
            if changed:
                await within.note_change(tx, id_)
            return changed

        return await self._db.write(change)
