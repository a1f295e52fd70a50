"""The clean-up: what nobody needs any more goes, while everything runs. Each step is small, and safe at any moment.

A link goes when no manifest of its repository names the blob and no push was told of it within the grace time; a blob that no
repository has is condemned, which makes it absent; when those who still read it have ended, its bytes go, and last its row.
So a process that is killed between two steps leaves what the next run finds. `docs/decisions/0007` has the argument why
nothing that a push was told is there can be taken from under it.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from entrepot.base.clock import now_us, seconds_us
from entrepot.domain.access.service.modes import is_settled
from entrepot.domain.registry.events import COLLECT, Collect
from entrepot.domain.registry.queries import collection, emptying
from entrepot.domain.registry.service.blobs import Blobs
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue
from entrepot.platform.storage.driver import StorageDriver

_PAGE: Final = 1000  # rows that a step looks at
_TAKEN: Final = 500  # rows that a transaction changes: it must not keep SQLite's writer for long
# An answer that began before the blob was condemned has ended by then, and so has a redirect to an object store.
_LONGEST_READ_S: Final = 900
# What belongs to nobody may be about to be named: never by a row that is written an hour later.
_ORPHAN_AGE_S: Final = 3600
_RESTED_EVERY: Final = 50


class Swept(msgspec.Struct, frozen=True):
    """One step of a sweep: where the next one begins (None at the end), and how many rows went."""

    after: tuple[int, int] | None
    taken: int


class Freed(msgspec.Struct, frozen=True):
    """Objects that were deleted, and their bytes."""

    objects: int
    size: int


class Collector:
    """The steps of the clean-up; whoever calls them decides when, and keeps the place where a sweep goes on."""

    def __init__(self, db: Database, storage: StorageDriver, blobs: Blobs, *, gc_grace_s: int) -> None:
        self._db = db
        self._storage = storage
        self._blobs = blobs
        self._grace_us = seconds_us(gc_grace_s)
        self.condemned_for_s = min(_LONGEST_READ_S, gc_grace_s)

    async def take_links(self, after: tuple[int, int]) -> Swept:
        """Take away links that nobody needs, among the next thousand behind `after` (repository and blob)."""
        page = await self._db.read(collection.links_after, after, self._grace_us, _PAGE)
        useless: dict[int, list[int]] = defaultdict(list)
        for repository, blob, is_useless in page:
            if is_useless:
                useless[repository].append(blob)
        taken = 0
        for repository, found in useless.items():
            for place in range(0, len(found), _TAKEN):
                some = found[place : place + _TAKEN]
                taken += await self._db.write(partial(self._take, repository=repository, blobs=some))
        return Swept(page[-1][:2] if len(page) == _PAGE else None, taken)

    async def _take(self, tx: Transaction, repository: int, blobs: list[int]) -> int:
        """Take some links. Not soon after the registry was read-only: what a HEAD was told of then was not noted."""
        if not await is_settled(tx, self._grace_us):
            return 0
        return await collection.take_links(tx, repository_=repository, blobs=blobs, grace_us=self._grace_us)

    async def condemn(self, after: int) -> Swept:
        """Condemn blobs that are nobody's, among the next thousand behind `after`."""
        page = await self._db.read(collection.blobs_after, after, _PAGE)
        found = [blob for blob, is_nobodys in page if is_nobodys]
        taken = 0
        for place in range(0, len(found), _TAKEN):
            taken += await self._db.write(partial(collection.condemn, blobs=found[place : place + _TAKEN]))
        return Swept((0, page[-1][0]) if len(page) == _PAGE else None, taken)

    async def delete_condemned(self, at_most: int = 100) -> Freed:
        """Delete the bytes of blobs that were condemned long enough ago, then their rows. Raises StorageAway."""
        found = await self._db.read(collection.condemned, seconds_us(self.condemned_for_s), at_most)
        await self._storage.require_presence()
        if found:
            await self._storage.delete_all([blob.storage_key for blob in found])
            await self._db.write(partial(collection.forget, blobs=[blob.id for blob in found]))
        return Freed(len(found), sum(blob.size for blob in found))

    async def expire_uploads(self, at_most: int = _TAKEN) -> int:
        """End uploads whose time is over, and delete their bytes; return how many. Raises StorageAway."""
        found = await self._db.read(collection.expired_uploads, at_most)
        await self._storage.require_presence()
        ended = await self._db.write(partial(collection.end_expired, ids=found)) if found else []
        for handle, state in ended:
            await self._storage.abort(handle, state)
        return len(ended)

    async def buried(self, after: int) -> list[int]:
        """Return the next repositories behind `after` that were deleted."""
        return await self._db.read(emptying.buried, after, _PAGE)

    async def empty(self, repository: int) -> int:
        """Take some hundred rows away that are in a deleted repository, and last the repository itself; return how many."""

        async def take(tx: Transaction) -> int:
            taken = await emptying.take_some(tx, repository, _TAKEN)
            if not taken and await emptying.end(tx, repository):
                await enqueue(tx, Collect(), key=COLLECT, again=True)
            return taken

        return await self._db.write(take)

    async def delete_orphans(self, rest: Callable[[], Awaitable[None]]) -> Freed:
        """Delete what lies in the store and belongs to no blob and no upload, and has for an hour; `rest` now and then."""
        objects = size = 0
        oldest_us = now_us() - seconds_us(_ORPHAN_AGE_S)
        async for orphan in self._blobs.leftovers():
            if orphan.modified_at_us < oldest_us:
                await self._storage.delete(orphan.key)
                objects, size = objects + 1, size + orphan.size
                if objects % _RESTED_EVERY == 0:
                    await rest()
        return Freed(objects, size)
