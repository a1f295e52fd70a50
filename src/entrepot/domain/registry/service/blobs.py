"""Blobs: finding, reading, protecting and deleting them. A blob is reached only through a repository that links it."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Final

from entrepot.base.clock import seconds_us
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import BlobInUse, BlobUnknown, RepositoryUnknown
from entrepot.domain.registry.events import COLLECT, Collect
from entrepot.domain.registry.model import Link
from entrepot.domain.registry.queries import blobs, repositories, stores, uploads
from entrepot.domain.registry.service.served import Served
from entrepot.platform.db.database import Database, Transaction, answers
from entrepot.platform.jobs import enqueue
from entrepot.platform.storage.driver import ObjectLost, StorageDriver, Stored
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName

_log: Final = logging.getLogger(__name__)
_TOUCH_AFTER: Final = 4  # a link is touched when a quarter of the grace time has passed: pushes write rarely
_BATCH: Final = 500


class Blobs:
    """The blobs of all repositories."""

    def __init__(
        self, db: Database, storage: StorageDriver, rule: Rule, *, gc_grace_s: int, served: Served | None = None
    ) -> None:
        self._db = db
        self._served = served
        self._storage = storage
        self._rule = rule
        self._fresh_us = seconds_us(gc_grace_s / _TOUCH_AFTER)

    async def find(self, actor: Actor, name: RepositoryName, digest: Digest) -> Link:
        """Return the blob for a pull, which never writes.

        Raises:
            Unproven, BlobUnknown, RepositoryUnknown
        """
        if self._served is not None:
            found = await self._served.recall(Link, blobs.link, name.stored, str(digest))
        else:
            found = await self._db.recall(blobs.link, name.stored, str(digest))
        await self._rule.require(actor, Action.PULL, name, found.facts if found else None)
        if found is None:
            if await self._db.read(repositories.repository_id, name.stored) is None:
                raise RepositoryUnknown(repository=name.asked)
            raise BlobUnknown(repository=name.asked, digest=digest)
        return found

    async def check(self, actor: Actor, name: RepositoryName, digest: Digest) -> Link:
        """Return the blob for a HEAD: a client that is told of it may push a manifest that names it, so it is protected.

        A blob whose bytes were lost is not told of: the client pushes it then, which heals it.

        Raises:
            Unproven, BlobUnknown, RepositoryUnknown
        """
        found = await self.find(actor, name, digest)
        # Asked first: where the database is away it is remembered where the blob lay, and by now it may lie elsewhere.
        is_fresh = await self._db.read(blobs.is_fresh, name.stored, found.blob, self._fresh_us)
        if await self._storage.size(found.storage_key) != found.size:
            _log.error("blob_lost", extra={"digest": str(digest), "storage_key": found.storage_key})
            raise BlobUnknown(repository=name.asked, digest=digest)
        if is_fresh:
            return found
        try:
            if await self._db.write(partial(blobs.touch, name=name.stored, blob_=found.blob)):
                return found
        except RegistryReadOnly:
            return found  # nothing is collected before it could be written again for the grace time
        raise BlobUnknown(repository=name.asked, digest=digest)  # collected between the two statements

    async def delete(self, actor: Actor, name: RepositoryName, digest: Digest) -> None:
        """Take the blob away from the repository.

        Raises:
            Unproven, BlobUnknown, BlobInUse, RepositoryUnknown
        """
        await self._rule.require(actor, Action.DELETE, name)
        repository = await self._db.read(repositories.repository_id, name.stored)
        if repository is None:
            raise RepositoryUnknown(repository=name.asked)

        async def remove(tx: Transaction) -> None:
            blob = await blobs.lock_link(tx, repository, str(digest))
            if blob is None:
                raise BlobUnknown(repository=name.asked, digest=digest)
            # A second statement: it sees the manifest of a push that held the link until just now.
            if await blobs.is_named(tx, repository, str(digest)):
                raise BlobInUse(repository=name.asked, digest=digest)
            await blobs.unlink(tx, repository, blob)
            await record(tx, actor.author, done(Act.BLOB_DELETE, f"{name.stored}@{digest}"))
            await enqueue(tx, Collect(), key=COLLECT, again=True)

        try:
            await self._db.write(remove)
        finally:  # also when nobody knows whether it was committed
            if self._served is not None:
                await self._served.forget(Link, name.stored, str(digest))

    def at_hand(self, link: Link) -> bytes | None:
        """Return a small blob's bytes when they can be had without waiting."""
        return self._storage.at_hand(link.storage_key, link.size)

    async def fetch(self, link: Link, digest: Digest) -> bytes | None:
        """Return a small blob's bytes where the store is best asked for all of them at once; None when they are to be read."""
        try:
            return await self._storage.fetch(link.storage_key, link.size, digest)
        except ObjectLost:
            await self._db.read(answers)  # see `_read_remembered`
            raise

    def address(self, link: Link) -> str | None:
        """Return where a client gets the bytes from the store itself; None when it is to get them here."""
        return self._storage.address(link.storage_key, link.size)

    def read(self, link: Link, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Yield the blob's bytes from `first` to `last`, both inclusive."""
        pieces = self._storage.read(link.storage_key, first, last)
        return pieces if self._served is None else self._read_remembered(pieces)

    async def _read_remembered(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Yield what is read where a blob is remembered to lie: that it is lost nobody can say while the database is away.

        A push may have healed it since, and put it elsewhere.
        """
        async with aclosing(pieces):
            try:
                async for piece in pieces:
                    yield piece
            except ObjectLost:
                await self._db.read(answers)
                raise

    async def leftovers(self) -> AsyncIterator[Stored]:
        """Yield what lies in the store and belongs to no blob and no upload: a crash left it, or a push is about to name it.

        Raises:
            StoreTaken: all of it may be another registry's.
        """
        await self._storage.require_identity(await self._db.read(stores.identity))
        batch: list[Stored] = []
        async for stored in self._storage.list_all():
            batch.append(stored)
            if len(batch) >= _BATCH:
                for orphan in await self._nobodys(batch):
                    yield orphan
                batch = []
        for orphan in await self._nobodys(batch):
            yield orphan

    async def _nobodys(self, batch: list[Stored]) -> list[Stored]:
        keys = await self._db.read(blobs.known_keys, [stored.key for stored in batch])
        rest = [stored for stored in batch if stored.key not in keys]
        handles = await self._db.read(uploads.known_handles, [stored.handle for stored in rest])
        rest = [stored for stored in rest if stored.handle not in handles]
        # An upload that ended between the two reads has a blob row now.
        keys = await self._db.read(blobs.known_keys, [stored.key for stored in rest])
        return [stored for stored in rest if stored.key not in keys]
