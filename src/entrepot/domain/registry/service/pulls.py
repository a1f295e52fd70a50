"""How often repositories are pulled, and by whom in the last six hours: counted in memory, and added up in the database.

A pull writes nothing: sums are written every five seconds, so that whoever kills the process takes five seconds of counts with it
and nothing else. Where writing them takes long, because thousands of repositories are pulled from, it is done less often. While
nothing can be written they wait, as long as there is room for them.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final, TypeVar

from entrepot.base.clock import now_us, seconds_us
from entrepot.base.errors import EntrepotError
from entrepot.domain.access.model import Actor
from entrepot.domain.registry.model import Daily, Day, Puller, Pulling, RecentPulls
from entrepot.domain.registry.queries import pulls
from entrepot.platform.db.database import Database, Transaction

_log: Final = logging.getLogger(__name__)
KEPT_US: Final = seconds_us(6 * 3600)
_SPAN_US: Final = seconds_us(300)
_EVERY_S: Final = 5.0
_MOST_S: Final = 60.0
_SHARE: Final = 40  # of the time, the one part that may be spent on writing
_PATIENCE_S: Final = 3.0
_MOST: Final = 20_000  # of either sum; what comes beyond is not counted
_AT_ONCE: Final = 100
_WEEK: Final = 7
_LEADERS: Final = 20
DAY_US: Final = seconds_us(86_400)
KEPT_DAYS: Final = 92  # of the sums of days
_K = TypeVar("_K", str, Pulling, Daily, tuple[str, str])


class PullCounts:
    """The counts of one process. Used by one event loop."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._totals: Counter[str] = Counter()
        self._recent: Counter[Pulling] = Counter()
        self._daily: Counter[Daily] = Counter()
        self._tagged: Counter[tuple[str, str]] = Counter()
        self._asked: dict[tuple[str, str], int] = {}  # when each tag was asked for last
        self._last: dict[str, int] = {}  # when each repository was pulled last, microseconds UTC
        self._writing: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    def note(self, actor: Actor, repository: str, source: str, digest: str = "", tag: str = "") -> None:
        """Count a pull of a repository, whose stored name is given, by somebody at an address: of this image, by that tag."""
        at_us = now_us()  # by the clock of this machine: it may be long until it is written
        if repository in self._totals or len(self._totals) < _MOST:
            self._totals[repository] += 1
            self._last[repository] = at_us
        if actor.is_somebody:
            pulling = Pulling(actor.owner or actor.name, at_us // _SPAN_US * _SPAN_US, source, actor.credential, repository)
            if pulling in self._recent or len(self._recent) < _MOST:
                self._recent[pulling] += 1
        if digest:
            who = Puller.ANYONE if not actor.is_somebody else Puller.PERSON if actor.account else Puller.ROBOT
            daily = Daily(repository, at_us // DAY_US, digest, who.value)
            if daily in self._daily or len(self._daily) < _MOST:
                self._daily[daily] += 1
        if tag:
            self.note_tag(repository, tag)
        self._begin()

    def note_tag(self, repository: str, tag: str) -> None:
        """Count that a tag was asked for, of an index too: which image of it is pulled follows by itself."""
        tagged = (repository, tag)
        if tagged in self._tagged or len(self._tagged) < _MOST:
            self._tagged[tagged] += 1
            self._asked[tagged] = now_us()
        self._begin()

    async def flush(self) -> None:
        """Write down what was counted. Raises RegistryReadOnly, Unavailable: then what was not written is kept."""

        async def add_total(tx: Transaction, name: str, count: int) -> None:
            await pulls.add_total(tx, name, count, self._last[name])

        async def add_tagged(tx: Transaction, tagged: tuple[str, str], count: int) -> None:
            await pulls.add_tagged(tx, *tagged, count, self._asked[tagged])

        await self._add(self._totals, add_total)
        self._last = {name: self._last[name] for name in self._totals}
        await self._add(self._recent, pulls.add_recent)
        await self._add(self._daily, pulls.add_daily)
        await self._add(self._tagged, add_tagged)
        self._asked = {tagged: self._asked[tagged] for tagged in self._tagged}

    async def _add(self, counted: Counter[_K], add: Callable[[Transaction, _K, int], Awaitable[None]]) -> None:
        for some in _parts(counted):
            await self._db.write(partial(_each, some, add), durable=False)
            _take(counted, some)

    def _begin(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def add_past(self, days: Sequence[tuple[Daily, int]], tags: Mapping[tuple[str, str], int]) -> None:
        """Add pulls that were, all of one repository's: for a hub that is filled to be looked at."""
        total, now = sum(count for _, count in days), now_us()

        async def add(tx: Transaction) -> None:
            for daily, count in days:
                await pulls.add_daily(tx, daily, count)
            for (name, tag), count in tags.items():
                await pulls.add_tagged(tx, name, tag, count, now)
            if total:
                await pulls.add_total(tx, days[0][0].repository, total, now)

        await self._db.write(add)

    async def close(self) -> None:
        """Write down what is left, if that can be done soon: a disk that hangs keeps nobody from stopping."""
        self._ending.set()
        with suppress(EntrepotError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                if self._writing is not None:  # not broken off: what it has committed would be written again
                    await asyncio.shield(self._writing)
                await self.flush()

    async def recent(self, owner: str, limit: int) -> list[RecentPulls]:
        """Return the pulls of the last six hours by a user, or by the tokens and robots of an organisation, newest first."""
        return await self._db.read(pulls.recent, owner, KEPT_US, limit)

    async def count(self, owner: str) -> int:
        """Return how many pulls of the last six hours that are."""
        return await self._db.read(pulls.count, owner, KEPT_US)

    async def forget(self) -> int:
        """Delete what is older than that; return how many rows."""
        rows = await self._db.write(lambda tx: pulls.forget(tx, KEPT_US + _SPAN_US), durable=False)
        return rows + await self._db.write(lambda tx: pulls.forget_days(tx, now_us() // DAY_US - KEPT_DAYS), durable=False)

    async def days(self, repository: int, days: int = KEPT_DAYS) -> list[Day]:
        """Return the pulls of a repository in the last days, by whom; who may see it is decided above."""
        return await self._db.read(pulls.days, repository, now_us() // DAY_US - days + 1)

    async def of_images(self, repository: int, days: int, most: int) -> list[tuple[str, int]]:
        """Return the digests of a repository that were pulled most in the last days, and how often."""
        return await self._db.read(pulls.of_images, repository, now_us() // DAY_US - days + 1, most)

    async def note_leaders(self) -> None:
        """Find out which public repositories were pulled most in a week: a job does it, as all pulls are looked through."""
        found = await self._db.read(pulls.most_pulled, now_us() // DAY_US - _WEEK + 1, _LEADERS)
        await self._db.write(lambda tx: pulls.set_leaders(tx, found), durable=False)

    async def leaders(self, limit: int) -> list[tuple[int, int]]:
        """Return the ids of public repositories that were pulled most in a week, as of the last minutes, and how often."""
        return await self._db.read(pulls.leaders, limit)

    async def of_tags(self, repository: int, tags: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return how often tags were asked for, and when last (microseconds UTC)."""
        return await self._db.read(pulls.of_tags, repository, tags)

    async def _write(self) -> None:
        took_s = 0.0
        try:
            while self._totals or self._recent or self._tagged or self._daily:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause_s(took_s))
                if self._ending.is_set():
                    return
                began = time.monotonic()
                try:
                    await self.flush()
                except EntrepotError as error:  # read-only, or the database is away: they wait
                    _log.debug("pulls_not_written", extra={"reason": error.message})
                    took_s = 0.0  # that it was waited for says nothing of what it costs
                else:
                    took_s = time.monotonic() - began
        finally:
            self._writing = None


async def _each(some: dict[_K, int], add: Callable[[Transaction, _K, int], Awaitable[None]], tx: Transaction) -> None:
    for key, count in some.items():
        await add(tx, key, count)


def pause_s(took_s: float) -> float:
    """Return for how long to wait with the next writing, when the last one took so many seconds."""
    return min(max(_EVERY_S, took_s * _SHARE), _MOST_S)


def _parts(counted: Counter[_K]) -> Iterator[dict[_K, int]]:
    """Yield what is counted now, some at a time, in one order: no two processes wait for one another for ever."""
    ordered = iter(sorted(counted.items()))
    while some := dict(islice(ordered, _AT_ONCE)):
        yield some


def _take(counted: Counter[_K], written: dict[_K, int]) -> None:
    """Take what was written off what was counted, some of it meanwhile."""
    for key, count in written.items():
        counted[key] -= count
        if not counted[key]:
            del counted[key]
