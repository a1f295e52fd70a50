"""Manifests: finding, pushing and deleting them, and listing what refers to them."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from entrepot.domain.access.model import EVERY_TAG, Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import (
    ManifestDigestMismatch,
    ManifestUnknown,
    ReferencesUnknown,
    RepositoryUnknown,
    mismatch,
)
from entrepot.domain.registry.events import COLLECT, Collect
from entrepot.domain.registry.model import Pushed, Referrer, StoredManifest
from entrepot.domain.registry.queries import blobs, changes, manifests, repositories, tags
from entrepot.domain.registry.service.places import Places
from entrepot.domain.registry.service.served import Served
from entrepot.domain.registry.service.tags import move_tag
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue
from entrepot.platform.storage.driver import StorageDriver
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.manifest import MAX_MANIFEST_BYTES, Manifest
from entrepot.spec.oci.names import RepositoryName

# Many clients do not follow pages of referrers, so the first one is as large as a client must accept.
MAX_REFERRERS: Final = 1000


class Manifests:
    """The manifests of all repositories."""

    def __init__(
        self,
        db: Database,
        rule: Rule,
        places: Places,
        *,
        sparse: str,
        disk: StorageDriver | None = None,
        served: Served | None = None,
    ) -> None:
        self._db = db
        self._places = places
        self._served = served
        self._rule = rule
        self._sparse = sparse
        self._disk = disk

    async def find(self, actor: Actor, name: RepositoryName, reference: Digest | str) -> StoredManifest:
        """Return a manifest as it was pushed; a tag is read anew each time.

        Raises:
            Unproven, ManifestUnknown, RepositoryUnknown
        """
        if isinstance(reference, str):
            found = await self._db.recall(manifests.manifest_by_tag, name.stored, reference)
        elif self._served is not None:
            found = await self._served.recall(StoredManifest, manifests.manifest_by_digest, name.stored, str(reference))
        else:
            found = await self._db.recall(manifests.manifest_by_digest, name.stored, str(reference))
        await self._rule.require(actor, Action.PULL, name, found.facts if found else None)
        if found is None:
            await _require_repository(self._db, name)
            raise ManifestUnknown(repository=name.asked, reference=reference)
        return found

    async def require_room(self, actor: Actor, name: RepositoryName, size_bytes: int) -> None:
        """Do nothing when a manifest of that size may be pushed: asked before its body is read.

        Raises:
            Unproven, StorageFull, StorageReadOnly, StorageAway
        """
        await self._rule.require(actor, Action.PUSH, name)
        if self._disk is not None:
            self._disk.require_room(size_bytes)

    async def push(
        self, actor: Actor, name: RepositoryName, manifest: Manifest, asked: Digest | None, tags_: Sequence[str]
    ) -> Pushed:
        """Store the manifest and let the tags point at it; `asked` is the digest that the client pushed it under.

        Raises:
            Unproven, ManifestDigestMismatch, ReferencesUnknown
        """
        await self._rule.require(actor, Action.PUSH, name, tags=tags_)
        if asked is not None and asked != manifest.digest:
            raise ManifestDigestMismatch(**mismatch(manifest.digest.hex, asked))

        async def store(tx: Transaction) -> list[str]:
            repository = await self._places.of(tx, name, actor)
            await self._lock_references(tx, repository, name, manifest)
            id_ = await manifests.add_manifest(tx, repository, manifest, actor.name)
            await repositories.mark_pushed(tx, repository)
            await changes.note(tx, repository, id_)
            # In one order, so that two pushes of the same tags do not wait for one another for ever.
            return [tag for tag in sorted(set(tags_)) if await move_tag(tx, repository, tag, (id_, str(manifest.digest)), actor)]

        moved = await self._db.write(store)
        subject = str(manifest.subject) if manifest.subject else None
        return Pushed(str(manifest.digest), subject, tuple(tags_), tuple(moved))

    async def _lock_references(self, tx: Transaction, repository: int, name: RepositoryName, manifest: Manifest) -> None:
        """Hold all that the manifest names until it is stored, so that no clean-up can take it away in between."""
        children = {str(reference.digest) for reference in manifest.references if reference.kind == "child"}
        wanted = [str(reference.digest) for reference in manifest.references if reference.kind in ("config", "layer", "blob")]
        # Bytes that may lie elsewhere are protected if they are here.
        optional = [str(reference.digest) for reference in manifest.references if reference.kind == "elsewhere"]
        found_children = await manifests.lock_children(tx, repository, sorted(children)) if children else set()
        # BuildKit's cache is an index whose members are layers, so a member may be a blob as well.
        wanted += sorted(children - found_children)
        found = await blobs.lock_links(tx, repository, wanted + optional) if wanted or optional else set()
        missing = [digest for digest in wanted if digest not in found]
        if self._sparse == "indexes":
            missing = [digest for digest in missing if digest not in children]
        if missing and self._sparse != "images":
            raise ReferencesUnknown(name.asked, missing)

    async def delete(self, actor: Actor, name: RepositoryName, digest: Digest) -> list[str]:
        """Delete a manifest and all tags on it; return those tags.

        Raises:
            Unproven, ManifestUnknown, RepositoryUnknown
        """
        await self._rule.require(actor, Action.DELETE, name, tags=EVERY_TAG)
        repository = await _require_repository(self._db, name)

        async def remove(tx: Transaction) -> list[str]:
            id_ = await manifests.lock_to_delete(tx, repository, str(digest))
            if id_ is None:
                raise ManifestUnknown(repository=name.asked, reference=digest)
            names = await tags.delete_tags_on(tx, id_)
            for tag in names:
                await tags.record_move(tx, repository, tag, from_digest=str(digest), to_digest=None, actor=actor.name)
            await changes.note(tx, repository)
            await manifests.delete_references(tx, id_)
            await manifests.delete_manifest(tx, id_)
            await record(tx, actor.author, done(Act.MANIFEST_DELETE, f"{name.stored}@{digest}", {"tags": len(names)}))
            await enqueue(tx, Collect(), key=COLLECT, again=True)
            return names

        try:
            return await self._db.write(remove)
        finally:  # also when nobody knows whether it was committed
            if self._served is not None:
                await self._served.forget(StoredManifest, name.stored, str(digest))

    async def referrers(
        self, actor: Actor, name: RepositoryName, subject: Digest, artifact_type: str | None, after: int
    ) -> tuple[list[Referrer], bool]:
        """Return manifests that name `subject`, and whether there are more; none when the repository is not known.

        Raises:
            Unproven
        """
        await self._rule.require(actor, Action.PULL, name)
        repository = await self._db.read(repositories.repository_id, name.stored)
        if repository is None:
            return [], False
        sizes = await self._db.read(
            manifests.referrer_sizes, repository, str(subject), artifact_type, after=after, limit=MAX_REFERRERS + 1
        )
        ids = _fitting(sizes)
        if not ids:
            return [], False
        return await self._db.read(partial(manifests.referrers, ids=ids)), len(ids) < len(sizes)


def _fitting(sizes: list[tuple[int, int]]) -> list[int]:
    """Return the ids of a page: at least one, else as many as have manifests of 4 MiB together."""
    ids: list[int] = []
    left = MAX_MANIFEST_BYTES
    for id_, size in sizes[:MAX_REFERRERS]:
        left -= size
        if ids and left < 0:
            break
        ids.append(id_)
    return ids


async def _require_repository(db: Database, name: RepositoryName) -> int:
    found = await db.read(repositories.repository_id, name.stored)
    if found is None:
        raise RepositoryUnknown(repository=name.asked)
    return found
