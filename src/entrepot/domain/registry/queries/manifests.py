"""Statements about manifests and what they name."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from entrepot.domain.registry.errors import ManifestTypeFixed
from entrepot.domain.registry.model import Referrer, StoredManifest
from entrepot.domain.registry.queries.repositories import facts_of
from entrepot.domain.registry.tables import manifest, manifest_reference, repository, tag
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import ListStatement, Statement
from entrepot.spec.oci.manifest import Manifest

_WHOLE: Final = select(manifest.c.digest, manifest.c.media_type, manifest.c.size, manifest.c.content, repository.c.visibility)
_BY_TAG: Final = Statement(
    _WHOLE.select_from(
        repository.join(tag, tag.c.repository == repository.c.id).join(manifest, manifest.c.id == tag.c.manifest)
    ).where(repository.c.name == bindparam("name"), tag.c.name == bindparam("tag"))
)
_BY_DIGEST: Final = Statement(
    _WHOLE.select_from(repository.join(manifest, manifest.c.repository == repository.c.id)).where(
        repository.c.name == bindparam("name"), manifest.c.digest == bindparam("digest")
    )
)
_LOCK_CHILDREN: Final = ListStatement(
    lambda values: (
        select(manifest.c.digest)
        .where(manifest.c.repository == bindparam("repository"), manifest.c.digest.in_(values))
        .order_by(manifest.c.id)
        .with_for_update(read=True)
    )
)
_ADD: Final = Statement(
    insert_unless_there(
        manifest,
        [manifest.c.repository, manifest.c.digest],
        repository=bindparam("repository"),
        digest=bindparam("digest"),
        media_type=bindparam("media_type"),
        artifact_type=bindparam("artifact_type"),
        subject=bindparam("subject"),
        annotations=bindparam("annotations"),
        size=bindparam("size"),
        content=bindparam("content"),
        pushed_by=bindparam("pushed_by"),
        pushed_at=now_us(),
    )
)
_LOCK: Final = select(manifest.c.id, manifest.c.media_type).where(
    manifest.c.repository == bindparam("repository"), manifest.c.digest == bindparam("digest")
)
_LOCK_TO_POINT: Final = Statement(_LOCK.with_for_update(read=True))
_LOCK_TO_DELETE: Final = Statement(_LOCK.with_for_update())
_ADD_REFERENCE: Final = Statement(
    insert(manifest_reference).values(
        manifest=bindparam("manifest"), digest=bindparam("digest"), repository=bindparam("repository"), kind=bindparam("kind")
    )
)
# Bytes that are not those of the digest were damaged: whoever pushes the manifest again brings the right ones.
_HEAL: Final = Statement(
    update(manifest)
    .where(manifest.c.id == bindparam("id_"), manifest.c.content != bindparam("content_"))
    .values(content=bindparam("content_"), size=bindparam("size_"))
)
_DELETE_REFERENCES: Final = Statement(delete(manifest_reference).where(manifest_reference.c.manifest == bindparam("manifest_")))
_DELETE: Final = Statement(delete(manifest).where(manifest.c.id == bindparam("id_")))
_OF_SUBJECT: Final = (
    select(manifest.c.id, manifest.c.size)
    .where(
        manifest.c.repository == bindparam("repository"),
        manifest.c.subject == bindparam("subject"),
        manifest.c.id > bindparam("after"),
    )
    .order_by(manifest.c.id)
    .limit(bindparam("limit"))
)
_REFERRER_SIZES: Final = Statement(_OF_SUBJECT)
_REFERRER_SIZES_OF_TYPE: Final = Statement(_OF_SUBJECT.where(manifest.c.artifact_type == bindparam("artifact_type")))
_REFERRERS: Final = ListStatement(
    lambda values: select(
        manifest.c.id, manifest.c.digest, manifest.c.media_type, manifest.c.artifact_type, manifest.c.size, manifest.c.annotations
    ).where(manifest.c.id.in_(values))
)


async def manifest_by_tag(db: Reader, name: str, tag_: str) -> StoredManifest | None:
    """Return the manifest that the tag points at now."""
    row = await db.one(_BY_TAG, name=name, tag=tag_)
    return StoredManifest(row[0], row[1], row[2], row[3], facts_of(row[4])) if row else None


async def manifest_by_digest(db: Reader, name: str, digest: str) -> StoredManifest | None:
    """Return the repository's manifest of that digest."""
    row = await db.one(_BY_DIGEST, name=name, digest=digest)
    return StoredManifest(row[0], row[1], row[2], row[3], facts_of(row[4])) if row else None


async def lock_children(tx: Transaction, repository_: int, digests: Sequence[str]) -> set[str]:
    """Lock these manifests of the repository until the transaction ends; return the digests that were found."""
    return {row[0] for row in await tx.all_of(_LOCK_CHILDREN, digests, repository=repository_)}


async def add_manifest(tx: Transaction, repository_: int, manifest_: Manifest, actor: str) -> int:
    """Return the manifest's id, locked against deletion; it is stored with its references when it is not there.

    One whose bytes in the database were damaged is healed.

    Raises:
        ManifestTypeFixed: it is there as something else.
    """
    digest = str(manifest_.digest)
    while True:
        added = await tx.run(
            _ADD,
            repository=repository_,
            digest=digest,
            media_type=manifest_.media_type,
            artifact_type=manifest_.artifact_type,
            subject=str(manifest_.subject) if manifest_.subject else None,
            annotations=manifest_.annotations,
            size=len(manifest_.content),
            content=manifest_.content,
            pushed_by=actor,
        )
        row = await tx.one(_LOCK_TO_POINT, repository=repository_, digest=digest)
        if row is None:
            continue  # it was there, and was deleted between the two statements
        if row[1] != manifest_.media_type:
            raise ManifestTypeFixed(digest=digest, stored=row[1], asked=manifest_.media_type)
        if added:
            references = [(str(reference.digest), reference.kind) for reference in manifest_.references]
            await tx.many(
                _ADD_REFERENCE,
                [{"manifest": row[0], "repository": repository_, "digest": digest, "kind": kind} for digest, kind in references],
            )
        else:
            await tx.run(_HEAL, id_=row[0], content_=manifest_.content, size_=len(manifest_.content))
        found: int = row[0]
        return found


async def lock_to_delete(tx: Transaction, repository_: int, digest: str) -> int | None:
    """Lock a manifest that is to be deleted and return its id."""
    row = await tx.one(_LOCK_TO_DELETE, repository=repository_, digest=digest)
    return row[0] if row else None


async def delete_references(tx: Transaction, manifest_: int) -> None:
    """Forget what the manifest names."""
    await tx.run(_DELETE_REFERENCES, manifest_=manifest_)


async def delete_manifest(tx: Transaction, manifest_: int) -> None:
    """Delete a manifest that no tag and no reference row needs any more."""
    await tx.run(_DELETE, id_=manifest_)


async def referrer_sizes(
    db: Reader, repository_: int, subject: str, artifact_type: str | None, *, after: int, limit: int
) -> list[tuple[int, int]]:
    """Return ids and sizes in bytes of the manifests that name `subject`, in the order of their ids, behind `after`."""
    if artifact_type is None:
        rows = await db.all(_REFERRER_SIZES, repository=repository_, subject=subject, after=after, limit=limit)
    else:
        rows = await db.all(
            _REFERRER_SIZES_OF_TYPE,
            repository=repository_,
            subject=subject,
            artifact_type=artifact_type,
            after=after,
            limit=limit,
        )
    return [(row[0], row[1]) for row in rows]


async def referrers(db: Reader, ids: Sequence[int]) -> list[Referrer]:
    """Return these manifests as referrers, in the order of their ids."""
    rows = await db.all_of(_REFERRERS, ids)
    return sorted((Referrer(*row) for row in rows), key=lambda referrer: referrer.id)
