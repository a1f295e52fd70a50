"""Finding: what somebody typed is looked for in the index, and what is found there is asked for anew before it is shown."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from entrepot.domain.access.model import Action, Actor, Facts
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.catalogue.service.reading import Place, shelved
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.service import within
from entrepot.domain.search.model import Filters, Hit, Hits, Order
from entrepot.domain.search.queries import digests
from entrepot.domain.search.service.sights import PUBLIC, Sights
from entrepot.domain.search.words import Asked, read, slips, words_of_name
from entrepot.platform.db.database import Database, Reader
from entrepot.platform.search.model import Found, Wanted, Word
from entrepot.platform.search.reading import SHORTEST, IndexAway, Reading
from entrepot.spec.oci.names import LIBRARY, RepositoryName

DEEPEST: Final = 10_000  # of what is found: what lies behind is found by more words
_MOST: Final = 100
_NO_FILTERS: Final = Filters()
_SUGGESTED: Final = 8
_NEAREST: Final = 2  # slips between a word and the one that was meant
_LOOKED_AT: Final = 500
_PREFIX: Final = f"{LIBRARY}/"


class Searching:
    """Search in the index of a folder."""

    def __init__(self, db: Database, rule: Rule, folder: Path) -> None:
        self._db = db
        self._rule = rule
        self._index = Reading(folder)
        self._sights = Sights(db, rule)

    async def find(
        self, actor: Actor, typed: str, filters: Filters = _NO_FILTERS, order: Order = Order.BEST, first: int = 0, most: int = 25
    ) -> Hits:
        """Return what is found for what somebody typed, and the actor may see. Raises TokenRefused, Unproven, Unavailable."""
        sight = await self._sights.of(actor)
        asked = read(typed)
        if asked.digest and not asked.words:
            ids = await self._db.read(digests.with_digest, asked.digest, _LOOKED_AT)
            hits = await self._hits(actor, ids)
            return Hits(hits[first : first + most], len(hits), digest=asked.digest)
        if not asked.words and asked.text.strip("/ "):
            return Hits([], 0)  # signs alone, which nothing is called: without anything everything is listed
        wanted = Wanted(
            words=tuple(Word(each) for each in asked.words),
            whole=asked.whole,
            sight=sight,
            marks=_marks(filters),
            updated_from=filters.updated_from,
            order=order,
            first=max(0, min(first, DEEPEST)),
            most=max(1, min(most, _MOST)),
        )
        try:
            return await self._look(actor, asked, wanted)
        except IndexAway:
            return await self._by_name(actor, asked, wanted)

    async def suggest(self, typed: str) -> list[Hit]:
        """Return public images whose names begin with what somebody types, the most used first. Raises Unavailable."""
        asked = read(typed)
        if not asked.words or not self._rule.lets_anyone_pull(Facts(public=True)):
            return []
        wanted = Wanted(tuple(Word(each) for each in asked.words), asked.whole, (PUBLIC,), most=_SUGGESTED)
        try:
            found = await asyncio.to_thread(self._index.search, wanted)
        except IndexAway:
            return []
        return await self._hits(Actor("anyone"), found.ids)

    async def of_names(self, names: Sequence[str]) -> list[Hit]:
        """Return what is shown in lists of repositories that the caller was found to see, in the order of their names."""
        listed = await self._db.read(within.listed_by_name, names)
        return await self._db.read(_shelved, listed)

    async def _look(self, actor: Actor, asked: Asked, wanted: Wanted) -> Hits:
        found = await self._search(wanted)
        instead: tuple[str, ...] = ()
        if not found.count and wanted.words:
            unknown = await self._unknown(wanted)
            # Two slips are much to look through, and rare.
            for count in range(1, 1 + _most_slips(unknown)):
                words = tuple(Word(each.text, count if each in unknown else 0) for each in wanted.words)
                near = msgspec.structs.replace(wanted, words=words)
                found = await self._search(near)
                if found.count:
                    wanted = near
                    break
        if not found.count and len(wanted.words) > 1:
            some = msgspec.structs.replace(wanted, any_word=True)
            found = await self._search(some)
            if found.count:
                wanted = some
        hits, count = await self._counted(actor, wanted, found)
        if any(each.slips for each in wanted.words):
            instead = _meant(wanted.words, hits)
        return Hits(hits, count, asked.words, asked.tag, asked.digest, instead, any_word=wanted.any_word)

    async def _counted(self, actor: Actor, wanted: Wanted, found: Found) -> tuple[list[Hit], int]:
        """Return what is shown, and how much there is: few are all asked for, so that the number tells of nothing hidden."""
        if 0 < found.count <= _MOST:
            whole = await self._search(msgspec.structs.replace(wanted, first=0, most=_MOST))
            seen = await self._hits(actor, whole.ids)
            return seen[wanted.first : wanted.first + wanted.most], len(seen)
        hits = await self._hits(actor, found.ids)
        return hits, found.count - (len(found.ids) - len(hits))

    async def _unknown(self, wanted: Wanted) -> set[Word]:
        """Return the words that nothing has, as far as the reader sees: they may be slips of the fingers."""
        if len(wanted.words) == 1 and not wanted.marks and not wanted.updated_from:
            return {*wanted.words}
        alone = {word: Wanted((word,), sight=wanted.sight, most=1) for word in wanted.words}
        return {word for word, only in alone.items() if not (await self._search(only)).count}

    async def _search(self, wanted: Wanted) -> Found:
        return await asyncio.to_thread(self._index.search, wanted)

    async def _hits(self, actor: Actor, ids: Sequence[int]) -> list[Hit]:
        listed = await self._db.read(within.listed, ids)
        seen = [listed[id_] for id_ in ids if id_ in listed and await self._sees(actor, listed[id_])]
        return await self._db.read(_shelved, seen)

    async def _sees(self, actor: Actor, found: Listed) -> bool:
        facts = Facts(public=found.public)
        return self._rule.lets_anyone_pull(facts) or await self._rule.may(
            actor, Action.PULL, RepositoryName.parse(found.name), facts
        )

    async def _by_name(self, actor: Actor, asked: Asked, wanted: Wanted) -> Hits:
        """Find what begins like what was typed: there is no index yet."""
        start = asked.whole[0] if asked.whole else (asked.words[0] if asked.words else "")
        ids: list[int] = []
        for each in (f"{_PREFIX}{start}", start):
            ids += await self._db.read(digests.beginning, each, _LOOKED_AT)
        hits = await self._hits(actor, list(dict.fromkeys(ids)))
        return Hits(hits[wanted.first : wanted.first + wanted.most], len(hits), asked.words, asked.tag, is_complete=False)


async def _shelved(db: Reader, listed: Sequence[Listed]) -> list[Hit]:
    """Return repositories with what the catalogue knows of them."""
    shelves = await shelved(db, [Place(each.id, each.namespace, each.name) for each in listed])
    return [Hit(each, shelves[each.id]) for each in listed]


def _marks(filters: Filters) -> tuple[tuple[str, ...], ...]:
    groups = (
        [f"kind:{each.value}" for each in filters.kinds],
        [f"os:{each}" for each in filters.systems],
        [f"arch:{each}" for each in filters.architectures],
        [f"category:{each}" for each in filters.categories],
    )
    return tuple(tuple(each) for each in groups if each)


def _most_slips(words: Iterable[Word]) -> int:
    """Return how many slips may be looked for in one of these words."""
    longest = max((len(each.text) for each in words), default=0)
    return max(count for count, least in enumerate(SHORTEST) if longest >= least)


def _meant(words: Sequence[Word], hits: Sequence[Hit]) -> tuple[str, ...]:
    """Return the words that were probably meant: of those in the names of what was found the nearest ones."""
    names = sorted({word for hit in hits[:_SUGGESTED] for word in words_of_name(hit.listed.name)})
    meant = []
    for word in words:
        near = ((slips(word.text, each, _NEAREST), each) for each in names if word.slips)
        nearest = min(near, default=(_NEAREST + 1, ""))
        meant.append(nearest[1] if nearest[0] <= _NEAREST else word.text)
    return tuple(meant)
