"""What somebody may find: marks that entries of the index have. What is found is asked for anew before it is shown."""

import time
from typing import Final

from entrepot.domain.access.model import Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.search.queries import sights
from entrepot.platform.db.database import Database

PUBLIC: Final = "public"
_KEPT_S: Final = 1.0
_MOST_KEPT: Final = 1000
_MOST_NAMESPACES: Final = 1000
_MOST_REPOSITORIES: Final = 5000  # private ones that somebody was granted one by one
_NO_NAME: Final = "~"  # of no repository: whoever may read it may read all that there are

Sight = tuple[str, ...] | None


def of_namespace(id_: int) -> str:
    """Return the mark of all private repositories of a namespace."""
    return f"n{id_}"


def of_repository(id_: int) -> str:
    """Return the mark of a private repository."""
    return f"r{id_}"


class Sights:
    """What everybody may find, as it was up to a second ago."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._db = db
        self._rule = rule
        self._kept: dict[tuple[int, int, str], tuple[float, Sight]] = {}

    async def of(self, actor: Actor) -> Sight:
        """Return the marks that somebody may find; None for whoever sees everything. Raises TokenRefused, Unproven."""
        view = await self._rule.view(actor)
        # A token of the registry's own is for repositories that it names, and for listing none that is hidden.
        if actor.granted is not None:
            return (PUBLIC,)
        if view.everything:
            return None
        if not view.is_somebody:
            return (PUBLIC,)
        now, who = time.monotonic(), (actor.account, actor.generation, actor.credential)
        kept = self._kept.get(who)
        if kept is None or now - kept[0] > _KEPT_S:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            kept = self._kept[who] = (now, await self._look(actor, view.account, view.owner))
        return kept[1]

    async def _look(self, actor: Actor, account: int, owner: str) -> Sight:
        marks, left = [PUBLIC], _MOST_REPOSITORIES
        for id_, name in await self._db.read(sights.namespaces, account, owner, _MOST_NAMESPACES):
            may_read = await self._rule.reads(actor, name)
            if may_read(f"{name}/{_NO_NAME}"):
                marks.append(of_namespace(id_))
                continue
            found = await self._db.read(sights.private, id_, left)
            seen = [of_repository(each) for each, stored in found if may_read(stored)]
            marks += seen
            left -= len(seen)
        return tuple(marks)
