"""The registry's jobs: they drive the steps of its services, and keep the place where a run that was broken off goes on."""

import logging
from typing import Final

import msgspec

from entrepot.domain.registry.events import (
    CLEAN_UP,
    Collect,
    DeleteCondemned,
    DeleteOrphans,
    DeleteRepositories,
    ExpireUploads,
    FindLeaders,
    ForgetPulls,
    NoteVersions,
    Scrub,
)
from entrepot.domain.registry.service.checking import Checker
from entrepot.domain.registry.service.collection import Collector, Swept
from entrepot.domain.registry.service.pace import Pace
from entrepot.domain.registry.service.pulls import PullCounts
from entrepot.domain.registry.service.tag_lists import TagLists
from entrepot.platform.jobs import Context, Job, Kind, Schedule

_log: Final = logging.getLogger(__name__)
LIMITS: Final = {CLEAN_UP: 1, Scrub.queue: 1}
_EXPIRE_EVERY_S: Final = 600
_FORGET_EVERY_S: Final = 1800
_ORPHANS_EVERY_S: Final = 24 * 3600
_BURIED_EVERY_S: Final = 3600
_SCRUB_EVERY_S: Final = 7 * 24 * 3600
_LOOKS_PER_GRACE: Final = 3
_ROUND: Final = 100
_TOLD_EVERY: Final = 20


class Place(msgspec.Struct, frozen=True):
    """Where a collection goes on: links are swept before blobs, and None is the end of a sweep."""

    links: tuple[int, int] | None = (0, 0)
    blobs: int | None = 0
    taken: int = 0
    condemned: int = 0


class Read(msgspec.Struct, frozen=True):
    """Where a scrub goes on, and what it has seen."""

    after: int = 0
    blobs: int = 0
    faults: int = 0


class RegistryJobs:
    """The handlers, one for each kind of job; a scrub reads at most `scrub_rate` bytes in a second."""

    def __init__(
        self, collector: Collector, checker: Checker, pulls: PullCounts, tag_lists: TagLists, *, scrub_rate: int
    ) -> None:
        self._pulls = pulls
        self._tag_lists = tag_lists
        self._collector = collector
        self._checker = checker
        self._scrub_rate = scrub_rate

    def kinds(self) -> list[Kind]:
        """List what can be done."""
        return [
            Kind(Collect, self.collect),
            Kind(DeleteCondemned, self.delete_condemned),
            Kind(ExpireUploads, self.expire_uploads),
            Kind(DeleteOrphans, self.delete_orphans),
            Kind(DeleteRepositories, self.delete_repositories),
            Kind(ForgetPulls, self.forget_pulls),
            Kind(NoteVersions, self.note_versions),
            Kind(FindLeaders, self.find_leaders),
            Kind(Scrub, self.scrub),
        ]

    def schedules(self, gc_grace_s: int) -> list[Schedule]:
        """List what is done by itself: a deletion is followed by a collection at once, all else waits for one of these."""
        soon = max(self._collector.condemned_for_s // _LOOKS_PER_GRACE, 1)
        scrubs = [Schedule("scrub", _SCRUB_EVERY_S, Scrub())] if self._scrub_rate else []
        return [
            *scrubs,
            Schedule("collect", gc_grace_s, Collect()),
            Schedule("delete-condemned", soon, DeleteCondemned()),
            Schedule("forget-pulls", _FORGET_EVERY_S, ForgetPulls()),
            Schedule("find-leaders", _EXPIRE_EVERY_S, FindLeaders()),
            Schedule("note-versions", _FORGET_EVERY_S, NoteVersions()),
            Schedule("expire-uploads", _EXPIRE_EVERY_S, ExpireUploads()),
            # A deletion asks for it at once: here uploads to what was deleted have ended meanwhile.
            Schedule("delete-repositories", _BURIED_EVERY_S, DeleteRepositories()),
            Schedule("delete-orphans", _ORPHANS_EVERY_S, DeleteOrphans()),
        ]

    async def collect(self, context: Context, _job: Job) -> None:
        """Sweep the links, then the blobs."""
        place = context.checkpoint(Place) or Place()
        while place.links is not None:
            swept = await self._collector.take_links(place.links)
            place = msgspec.structs.replace(place, links=swept.after, taken=place.taken + swept.taken)
            await self._tell(context, place, swept)
            await context.rest()
        while place.blobs is not None:
            swept = await self._collector.condemn(place.blobs)
            after = swept.after[1] if swept.after else None
            place = msgspec.structs.replace(place, blobs=after, condemned=place.condemned + swept.taken)
            await self._tell(context, place, swept)
            await context.rest()

    async def delete_condemned(self, context: Context, _job: Job) -> None:
        """Delete until none are left that are due."""
        objects = size = 0
        while (freed := await self._collector.delete_condemned(_ROUND)).objects:
            objects, size = objects + freed.objects, size + freed.size
            await context.progress(objects, note=f"blobs deleted, {size} bytes")
            await context.rest()

    async def expire_uploads(self, context: Context, _job: Job) -> None:
        """Expire until none are left that are due."""
        ended = 0
        while some := await self._collector.expire_uploads(_ROUND):
            ended += some
            await context.progress(ended, note="uploads ended")
            await context.rest()

    async def forget_pulls(self, context: Context, _job: Job) -> None:
        """Delete what is too old."""
        await context.progress(await self._pulls.forget(), note="rows deleted")

    async def note_versions(self, context: Context, _job: Job) -> None:
        """Note some at a time."""
        noted = 0
        while some := await self._tag_lists.note_versions():
            noted += some
            await context.rest()
        await context.progress(noted, note="tags")

    async def find_leaders(self, _context: Context, _job: Job) -> None:
        """Look through the pulls of a week."""
        await self._pulls.note_leaders()

    async def delete_orphans(self, context: Context, _job: Job) -> None:
        """Look through the whole store."""
        freed = await self._collector.delete_orphans(context.rest)
        await context.progress(freed.objects, note=f"objects deleted, {freed.size} bytes")

    async def delete_repositories(self, context: Context, _job: Job) -> None:
        """Take away what is in repositories that were deleted, and then these."""
        after = rows = 0
        while page := await self._collector.buried(after):
            for repository in page:
                while some := await self._collector.empty(repository):
                    rows += some
                    await context.progress(rows, note="rows taken away")
                    await context.rest()
            after = page[-1]

    async def scrub(self, context: Context, _job: Job) -> None:
        """Read blob after blob; a run that was broken off goes on behind the last page that it finished."""
        read, pace = context.checkpoint(Read) or Read(), Pace(self._scrub_rate)
        while page := await self._checker.page(read.after):
            for blob in page:
                fault = await self._checker.blob(blob, pace, repair=True)
                if fault is not None:
                    _log.error(
                        "blob_" + fault.kind, extra={"digest": fault.what, "says": fault.says, "set_aside": fault.set_aside}
                    )
                read = Read(blob.id, read.blobs + 1, read.faults + (fault is not None))
                if read.blobs % _TOLD_EVERY == 0:
                    await context.save(read)
                    await context.rest()
            await context.save(read)
            await context.progress(read.blobs, note=f"{read.faults} faults")

    async def _tell(self, context: Context, place: Place, swept: Swept) -> None:
        """Save the place after a step that took something: to look again costs less than a commit, which pulls would feel."""
        if not swept.taken:
            return
        await context.save(place)
        await context.progress(place.taken + place.condemned, note=f"{place.taken} links, {place.condemned} blobs")
