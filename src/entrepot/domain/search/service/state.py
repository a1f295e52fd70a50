"""How an index stands: whether it is there, and what it lacks."""

from pathlib import Path
from typing import Final

import msgspec

from entrepot.domain.registry.model import Mark
from entrepot.domain.registry.service.changes import Changes
from entrepot.platform.db.database import Database
from entrepot.platform.search.model import Place
from entrepot.platform.search.reading import IndexAway, Reading
from entrepot.platform.search.writing import place_of

MOST_COUNTED: Final = 1000


class State(msgspec.Struct, frozen=True):
    """An index: how many entries it has, None when there is none; whether changes of this database lead on from it.

    `waiting` is how many changes it lacks, at most `MOST_COUNTED`, and `behind_us` how long the first of them has waited.
    """

    entries: int | None = None
    leads_on: bool = False
    waiting: int = 0
    behind_us: int = 0


async def state(db: Database, folder: Path, database: str) -> State:
    """Return how the index of a folder stands. Raises Unavailable."""
    place = place_of(folder)
    try:
        entries = Reading(folder).count()
    except IndexAway:
        return State()
    if place is None or place.database != database:
        return State(entries)
    changes, mark = Changes(db), _mark(place)
    _, now = await changes.clocks()
    if not await changes.leads_on_from(mark):
        return State(entries)
    found = await changes.after(mark, MOST_COUNTED)
    return State(entries, leads_on=True, waiting=len(found), behind_us=max(0, now - found[0].mark.at) if found else 0)


def _mark(place: Place) -> Mark:
    return Mark(place.xact, place.id, place.change_at)
