"""Whose store it is: a registry's clean-up deletes what it does not know, so that it must never run over another one's blobs."""

from functools import partial
from typing import Final

from entrepot.domain.registry.queries import checking, stores
from entrepot.platform.db.database import Database
from entrepot.platform.storage.driver import StorageDriver

_LOOKED_FOR: Final = 5


class Stores:
    """The one store of this registry. What is noted of it no client changes: a node may start while nothing else is written."""

    def __init__(self, db: Database, storage: StorageDriver) -> None:
        self._db = db
        self._storage = storage

    async def identity(self) -> str | None:
        """Return by what mark this registry knows its bucket; None before its first start with one."""
        return await self._db.read(stores.identity)

    async def note(self, identity: str) -> str:
        """Note the mark, and return the one that stands: of several nodes that start at once the first decides."""
        await self._db.write(partial(stores.note, identity_=identity))
        return await self._db.read(stores.identity) or identity

    async def names_blobs(self) -> bool:
        """Tell whether there are blobs, whose bytes must be somewhere."""
        return bool(await self._db.read(checking.blobs_after, 0, 1))

    async def finds_one(self) -> bool:
        """Tell whether one of the first blobs that are named is in the store."""
        blobs = await self._db.read(checking.blobs_after, 0, _LOOKED_FOR)
        for blob in blobs:
            if await self._storage.size(blob.storage_key) == blob.size:
                return True
        return False

    async def is_empty(self) -> bool:
        """Tell whether no bytes lie in the store."""
        async for _ in self._storage.list_all():
            return False
        return True
