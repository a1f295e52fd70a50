"""Checking that everything is there and is what it says it is, while the registry serves.

Nothing is deleted: a damaged object is set aside, and the blob is then like one whose bytes were lost, which the next push heals.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from entrepot.base.errors import Unavailable
from entrepot.domain.registry.model import CheckedBlob, Fault
from entrepot.domain.registry.queries import blobs, checking
from entrepot.domain.registry.service.pace import Pace
from entrepot.platform.db.database import Database
from entrepot.platform.storage.driver import ObjectLost, StorageAway, StorageDriver
from entrepot.platform.storage.hashing import new_hash
from entrepot.spec.oci.digest import Digest

_BLOBS: Final = 200
_MANIFESTS: Final = 20  # of up to 4 MiB each
_REFERENCES: Final = 1000
_STEP_BYTES: Final = 8 << 20
# An image of an index may be deleted, or never have been asked for where that is allowed: told, but no fault.
CHILD: Final = "child"


class Checker:
    """Reads everything once; whoever calls decides how fast, and where to go on."""

    def __init__(self, db: Database, storage: StorageDriver) -> None:
        self._db = db
        self._storage = storage

    async def page(self, after: int) -> list[CheckedBlob]:
        """Return the next blobs behind `after`, to be checked one by one."""
        return await self._db.read(checking.blobs_after, after, _BLOBS)

    async def blob(self, blob: CheckedBlob, pace: Pace, *, repair: bool) -> Fault | None:
        """Compare a blob's bytes with its digest; with `repair` damaged ones are set aside. Raises StorageAway."""
        says = await self._damage(blob, pace)
        # It is asked twice: the blob may have been deleted or healed meanwhile, and memory or a cable may have erred.
        if says is None or not await self._is_current(blob) or (says := await self._damage(blob, pace)) is None:
            return None
        kind = says.partition(":")[0]
        aside = await self._set_aside(blob) if repair and kind == "damaged" else ""
        return Fault(kind, blob.digest, says.partition(": ")[2], aside)

    async def everything(self, pace: Pace, tell: Callable[[Fault], None], *, repair: bool) -> tuple[int, int]:
        """Check all that there is and tell each fault as it is found; return how many blobs there were, and their bytes."""
        count = size = after = 0
        while page := await self.page(after):
            for blob in page:
                fault = await self.blob(blob, pace, repair=repair)
                if fault is not None:
                    tell(fault)
                count, size, after = count + 1, size + blob.size, blob.id
        for rest in (self.manifests(), self.references()):
            async for fault in rest:
                tell(fault)
        return count, size

    async def manifests(self) -> AsyncIterator[Fault]:
        """Compare every manifest with its digest."""
        after: int | None = 0
        while after is not None:
            page = await self._db.read(checking.manifests_after, after, _MANIFESTS)
            for _, repository, stored in page:
                digest = Digest.parse(stored.digest)
                found = hashlib.new(digest.algorithm, stored.content).hexdigest()
                if found != digest.hex or len(stored.content) != stored.size:
                    says = f"its bytes in the database have the digest {digest.algorithm}:{found}: push it again"
                    yield Fault("manifest", f"{repository}@{stored.digest}", says)
            after = page[-1][0] if len(page) == _MANIFESTS else None

    async def references(self) -> AsyncIterator[Fault]:
        """Look for everything that a manifest names."""
        after: tuple[int, str] | None = (0, "")
        while after is not None:
            page = await self._db.read(checking.references_after, after, _REFERENCES)
            for each in page:
                if not each.is_there and each.kind != "elsewhere":
                    kind = CHILD if each.kind == CHILD else "reference"
                    says = f"it names the {each.kind} {each.digest}, which is not in {each.repository}"
                    yield Fault(kind, f"{each.repository}@{each.manifest_digest}", says)
            after = (page[-1].manifest, page[-1].digest) if len(page) == _REFERENCES else None

    async def _damage(self, blob: CheckedBlob, pace: Pace) -> str | None:
        """Return what is wrong with the blob's bytes."""
        digest, place = Digest.parse(blob.digest), 0
        hash_ = new_hash(digest.algorithm)
        try:
            while fed := await self._storage.feed(blob.storage_key, place, _STEP_BYTES, hash_):
                place += fed
                await pace.after(fed)
        except ObjectLost:
            return f"missing: there is no {blob.storage_key}: the next push of it heals it"
        except StorageAway:
            raise  # it says nothing about this blob
        except Unavailable as error:
            return f"unreadable: {blob.storage_key} cannot be read ({error.__cause__ or error.message})"
        if place != blob.size:
            return f"damaged: {blob.storage_key} has {place} bytes where {blob.size} were stored"
        if hash_.hexdigest() != digest.hex:
            return f"damaged: {blob.storage_key} has bytes of the digest {digest.algorithm}:{hash_.hexdigest()}"
        return None

    async def _is_current(self, blob: CheckedBlob) -> bool:
        live = await self._db.read(blobs.find_live, blob.digest)
        return live is not None and live.storage_key == blob.storage_key

    async def _set_aside(self, blob: CheckedBlob) -> str:
        try:
            return await self._storage.set_aside(blob.storage_key)
        except ObjectLost:
            return ""  # somebody else did
