"""Looking through the whole chain: is every row as it was written, and is none missing?

What it cannot see: rows that were cut off its end since the last anchor, with the note of how far it goes; and what somebody
does who has the master key. A copy of an anchor that is kept elsewhere shows the second too.
"""

from typing import Final

import msgspec

from entrepot.domain.audit.chain import START, fits_its_mark, linked
from entrepot.domain.audit.model import Anchor, Event, Head, Verdict
from entrepot.domain.audit.queries import chain, events
from entrepot.domain.audit.service.anchors import Anchors
from entrepot.platform.db.database import Database

_PAGE: Final = 500
_LOOKS: Final = 3


class _Bad(Exception):
    """The first bad row."""

    def __init__(self, position: int, says: str) -> None:
        self.position = position
        self.says = says
        super().__init__(says)


class Checker:
    """Checks the chain of a database."""

    def __init__(self, db: Database, anchors: Anchors) -> None:
        self._db = db
        self._anchors = anchors

    async def check(self) -> Verdict:
        """Walk from the first row that is kept to the last; nothing is changed. Acts and prunes may go on meanwhile."""
        for _ in range(_LOOKS):
            head = await self._db.read(chain.head) or Head(0, START)
            verdict = await _Walk(self._db, self._anchors, head).verdict()
            now = await self._db.read(chain.head) or Head(0, START)
            if verdict.bad is None or now.floor == head.floor:
                break  # else rows were pruned under our eyes
        return verdict


class _Walk:
    """One look."""

    def __init__(self, db: Database, anchors: Anchors, head: Head) -> None:
        self._db = db
        self._anchors = anchors
        self._head = head
        self._stored: dict[int, Anchor] = {}
        self._position = head.floor
        self._digest = START
        self._anchored = head.floor

    async def verdict(self) -> Verdict:
        """Walk, and say how it ended."""
        waiting = await self._db.read(chain.count_waiting)
        bad: _Bad | None = None
        try:
            forged = await self._read_anchors()
            await self._begin()
            await self._follow()
            await self._end()
            if forged is not None:
                raise forged
        except _Bad as found:
            bad = found
        first, last = self._head.floor + 1, self._position
        if bad is None:
            return Verdict(first, last, self._anchored, waiting)
        return Verdict(first, last, self._anchored, waiting, bad.position, bad.says)

    async def _read_anchors(self) -> _Bad | None:
        """Keep the anchors that are ours, and return what is wrong with the first that is not: a bad row goes before it."""
        before, after, forged = 0, 0, None
        while page := await self._db.read(chain.anchors_after, after, _PAGE):
            for anchor in page:
                previous = await self._anchors.previous(anchor)
                if previous is None:
                    forged = forged or _Bad(anchor.position, "its anchor was not signed by this hub, or was changed")
                elif previous != before:
                    forged = forged or _Bad(previous, "its anchor is missing")
                if previous is not None:
                    self._stored[anchor.position] = anchor
                before = after = anchor.position
        return forged

    async def _begin(self) -> None:
        """Find the digest before the first row that is kept."""
        floor = self._head.floor
        if not floor:
            return
        anchor = self._stored.get(floor)
        if anchor is None or not await self._anchors.is_floor(anchor):
            self._position = self._anchored = 0
            raise _Bad(1, f"it is missing, and nothing signed says that the rows up to {floor} were pruned")
        self._digest = anchor.digest

    async def _follow(self) -> None:
        while page := await self._db.read(events.chained_after, self._position, _PAGE):
            for event in page:
                self._take(event)

    def _take(self, event: Event) -> None:
        position = self._position + 1
        if event.position != position:
            raise _Bad(position, "it is missing")
        digest = linked(self._digest, position, event)
        if digest != event.digest or not fits_its_mark(event):
            raise _Bad(position, "it was changed, or is not the row that stood there")
        if position == self._head.position and digest != self._head.digest:
            raise _Bad(position, "the note of where the chain ends is of another row")
        anchor = self._stored.get(position)
        if anchor is not None:
            if anchor.digest != digest:
                says = f"it, or a row between {self._anchored} and it, was changed, and the chain was made anew behind that"
                raise _Bad(position, says)
            self._anchored = position
        self._position, self._digest = position, digest

    async def _end(self) -> None:
        end = max(self._head.position, *self._stored, 0)
        if self._position < end:
            raise _Bad(self._position + 1, f"it is missing: the chain went on to row {end}")
        now = await self._db.read(chain.head)
        if self._position > (now.position if now else 0):
            raise _Bad(now.position + 1 if now else 1, "it was put behind the end of the chain")


def told(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as JSON is made of it."""
    return {**msgspec.structs.asdict(verdict), "holds": verdict.bad is None}
