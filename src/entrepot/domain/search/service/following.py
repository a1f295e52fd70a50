"""Following the changes of repositories into the index of this machine: what was pushed is found within two seconds.

The database is the truth. The index is written by one process of each data folder, and is made anew when it is not there, when it
is older than changes are kept, or when the database is another one than it was made of; until then the old one is read.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.errors import Unavailable
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.catalogue.service.looking import Looking
from entrepot.domain.registry.model import Mark
from entrepot.domain.registry.service.changes import KEPT_US, Changes
from entrepot.domain.search.queries import documents
from entrepot.domain.search.service.entries import entries
from entrepot.platform.db.database import Database
from entrepot.platform.search.library import IndexBroken
from entrepot.platform.search.model import Place
from entrepot.platform.search.writing import Writing

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 600.0
_IDLE_LOOKS: Final = 10  # after which the writer's memory is given back
_BATCH: Final = 200
_COUNT_EVERY_US: Final = seconds_us(300)
_NOTE_EVERY_US: Final = seconds_us(600)
_RENEW_US: Final = seconds_us(7 * 86_400)
_SAFE_US: Final = KEPT_US - seconds_us(86_400)
_OVERLAP_US: Final = seconds_us(120)  # counts are written a while after the pulls, by other clocks


class Following:
    """Keeps the index of a folder up to date."""

    def __init__(self, db: Database, looking: Looking, folder: Path, database: str, again_s: float = 5.0) -> None:
        """Take what is followed; `database` tells databases apart, and `again_s` is how long trouble is waited for."""
        self._db = db
        self._changes = Changes(db)
        self._looking = looking
        self._folder = folder
        self._database = database
        self._again_s = again_s
        self._broken = 0  # times in a row
        self._counted_at = 0
        self._pending: set[int] = set()  # repositories that were pulled
        self._idle = 0

    async def run(self) -> None:
        """Do so for ever; the database may go away and come back, and so may room on the disk."""
        with Writing(self._folder) as writing:
            while not await self._tried(writing.take, writing):  # noqa: ASYNC110 - the lock of a file wakes nobody
                await asyncio.sleep(self._again_s)  # another process of this folder does it
            while True:
                pause_s = _LOOK_EVERY_S
                try:
                    await self.step(writing)
                except Unavailable as error:
                    _log.debug("search_waits", extra={"reason": error.message})
                    pause_s = self._again_s
                except OSError as error:
                    _log.warning("search_index_not_written", extra={"reason": str(error)})
                    await _aside(writing.close)
                    pause_s = self._again_s
                except IndexBroken as error:
                    await _aside(writing.throw_away, error)
                    # Where it is broken again as soon as it is made, it is not made all the time.
                    self._broken += 1
                    pause_s = min(self._again_s * 2**self._broken, _LONGEST_PAUSE_S)
                except Exception:  # noqa: BLE001 - a mistake of ours is not to end the process that does all jobs
                    _log.exception("search_not_followed")
                    self._broken += 1
                    pause_s = min(self._again_s * 2**self._broken, _LONGEST_PAUSE_S)
                else:
                    self._broken = 0
                await asyncio.sleep(pause_s)

    async def step(self, writing: Writing) -> None:
        """Take what is new into the index. Raises IndexBroken, OSError, Unavailable."""
        settled, now = await self._changes.clocks()
        place = writing.place()
        if writing.is_asked_anew() or place is None or not await self._fits(place, settled, now):
            await self._make_anew(writing, now)
            return
        found = await self._changes.after(_mark(place), _BATCH)
        await self._count(place, now)
        counted = sorted(self._pending)[:_BATCH]
        if not found and not counted:
            await self._rest(writing, place, now)
            return
        self._idle = 0
        manifests = [each.manifest for each in found if each.manifest is not None]
        if manifests:
            try:
                await self._looking.look_at(manifests)
            except RegistryReadOnly:  # the daily job does it later
                _log.debug("images_not_looked_at")
        last = found[-1].mark if found else _mark(place)
        await self._put(writing, sorted({*(each.repository for each in found), *counted}))
        await _aside(writing.commit, msgspec.structs.replace(place, xact=last.xact, id=last.id, at=now, change_at=last.at))
        self._pending.difference_update(counted)

    async def _tried(self, take: Callable[[], bool], writing: Writing) -> bool:
        try:
            return take()
        except OSError as error:
            _log.warning("search_index_not_written", extra={"reason": str(error)})
            writing.close()
            return False

    async def _fits(self, place: Place, settled: int, now: int) -> bool:
        """Tell whether the changes that are kept lead on from a place, in this database."""
        is_recent = now - place.at < _SAFE_US and now - place.made_at < _RENEW_US
        if place.database != self._database or place.xact >= settled or not is_recent:
            return False
        return await self._changes.leads_on_from(_mark(place))  # else it was restored from a copy

    async def _make_anew(self, writing: Writing, now: int) -> None:
        # Read before the repositories: what is changed while they are read is followed behind that.
        end = await self._changes.end()
        _log.info("search_index_begun")
        await _aside(writing.begin_anew)
        after = count = 0
        while ids := await self._db.read(documents.ids_after, after, _BATCH):
            await _aside(writing.add, await self._db.read(entries, ids))
            after, count = ids[-1], count + len(ids)
        self._counted_at = now
        await _aside(writing.commit, Place(self._database, end.xact, end.id, now, now, end.at))
        _log.info("search_index_made", extra={"repositories": count})

    async def _put(self, writing: Writing, ids: list[int]) -> None:
        for first in range(0, len(ids), _BATCH):
            some = ids[first : first + _BATCH]
            made = await self._db.read(entries, some)
            await _aside(writing.put, made)
            gone = sorted({*some} - {each.id for each in made})
            if gone:
                await _aside(writing.drop, gone)
            await asyncio.sleep(0)

    async def _count(self, place: Place, now: int) -> None:
        """Note, every few minutes, which repositories were pulled since the last time: their place among others changes.

        They are taken some at a time, so that what is pushed meanwhile does not wait for them.
        """
        if self._pending or now - self._counted_at < _COUNT_EVERY_US:
            return
        since = (self._counted_at or place.at - _NOTE_EVERY_US) - _OVERLAP_US
        while some := await self._db.read(documents.pulled_since, since, _BATCH):
            self._pending |= {id_ for id_, _ in some}
            since = some[-1][1]
        self._counted_at = now

    async def _rest(self, writing: Writing, place: Place, now: int) -> None:
        self._idle += 1
        if self._idle == _IDLE_LOOKS:
            await _aside(writing.close)
        if now - place.at > _NOTE_EVERY_US:
            await _aside(writing.note, msgspec.structs.replace(place, at=now))


def _mark(place: Place) -> Mark:
    return Mark(place.xact, place.id, place.change_at)


async def _aside(do: Callable[..., None], *args: object) -> None:
    """Do in a thread what waits for the disk, or works without Python's lock."""
    await asyncio.to_thread(do, *args)
