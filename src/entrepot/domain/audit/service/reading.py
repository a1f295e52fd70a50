"""Reading the log: pages for people, newest first, and all of it in the chain's order for whoever keeps a copy."""

import difflib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from entrepot.domain.audit.errors import ActUnknown
from entrepot.domain.audit.model import Act, ChainState, Event, Wanted
from entrepot.domain.audit.queries import chain, events
from entrepot.platform.db.database import Database

_PAGE: Final = 500
NEWEST: Final = ((1 << 63) - 1, (1 << 63) - 1)


class Reading:
    """The log of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def newest(self, wanted: Wanted, limit: int, before: tuple[int, int] = NEWEST) -> list[Event]:
        """Return rows, newest first, that come before that time and id; those that wait for the sequencer too.

        Raises:
            ActUnknown
        """
        return await self._db.read(events.newest, _known(wanted), before, limit)

    async def of_namespace(
        self, names: Sequence[str], wanted: Wanted, limit: int, before: tuple[int, int] = NEWEST
    ) -> list[Event]:
        """Return what was done in a namespace, newest first, by the names that it has and had.

        Of a name that was given free, what was done in it before that is another one's. Raises ActUnknown.
        """
        found: list[Event] = []
        for name in names:
            since = max(wanted.since, await self._released_at(name))
            found += await self.newest(replace(wanted, namespace=name, since=since), limit, before)
        return sorted(found, key=lambda event: (event.happened_at, event.id), reverse=True)[:limit]

    async def chained(self, after: int, limit: int) -> list[Event]:
        """Return rows of the chain behind a position, in its order."""
        return await self._db.read(events.chained_after, after, limit)

    async def state(self) -> ChainState:
        """Return how the chain stands; whether it holds is told by a walk through all of it (`Checker`)."""
        head, anchor = await self._db.read(chain.head), await self._db.read(chain.last_anchor)
        waiting = await self._db.read(chain.count_waiting)
        position, floor = (head.position, head.floor) if head else (0, 0)
        return ChainState(position, floor, waiting, anchor.made_at if anchor else None, anchor.position if anchor else 0)

    async def export(self, wanted: Wanted, after: int = 0) -> AsyncIterator[Event]:
        """Yield the rows of the chain behind a position, in its order. Raises ActUnknown."""
        wanted = _known(wanted)
        # Chosen here: the database would look for them by what they are, and sort all that it finds for each page.
        while page := await self._db.read(events.chained_after, after, _PAGE):
            for event in page:
                if wanted.has(event):
                    yield event
            after = page[-1].position or 0

    async def _released_at(self, name: str) -> int:
        """Return when a namespace's name was given free last; 0 if it never was."""
        wanted, before = Wanted(act=Act.NAME_RELEASE, namespace=name), NEWEST
        while page := await self._db.read(events.newest, wanted, before, _PAGE):
            for event in page:
                if event.target == name:  # and not the former name of a repository in it
                    return event.happened_at
            before = (page[-1].happened_at, page[-1].id)
        return 0


def as_json(event: Event) -> dict[str, Any]:
    """Return a row as JSON is made of it: with all that its digest covers, and without the salt of its address."""
    return {
        "position": event.position,
        "happened_at": event.happened_at,
        "actor": event.actor,
        "credential": event.credential,
        "os_user": event.os_user,
        "address": event.address or "",
        "network": event.network,
        "address_mark": event.address_mark.hex(),
        "act": event.act,
        "namespace": event.namespace,
        "target": event.target,
        "outcome": event.outcome,
        "details": json.loads(event.details),
        "digest": event.digest.hex() if event.digest else None,
    }


def _known(wanted: Wanted) -> Wanted:
    if wanted.act and wanted.act not in set(Act):
        raise ActUnknown(act=wanted.act, nearest=difflib.get_close_matches(wanted.act, list(Act), n=1, cutoff=0.0)[0])
    return wanted
