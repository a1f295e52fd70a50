"""Statements that read everything once, in pages, to see whether it fits together."""

from typing import Final

from sqlalchemy import Integer, and_, bindparam, case, cast, exists, select, tuple_

from entrepot.domain.registry.model import CheckedBlob, CheckedReference, StoredManifest
from entrepot.domain.registry.tables import blob, manifest, manifest_reference, repository, repository_blob
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import Statement

_BLOBS: Final = Statement(
    select(blob.c.id, blob.c.digest, blob.c.size, blob.c.storage_key)
    .where(blob.c.id > bindparam("after"), blob.c.condemned_at.is_(None))
    .order_by(blob.c.id)
    .limit(bindparam("limit"))
)
_MANIFESTS: Final = Statement(
    select(manifest.c.id, repository.c.name, manifest.c.digest, manifest.c.media_type, manifest.c.size, manifest.c.content)
    .select_from(manifest.join(repository, repository.c.id == manifest.c.repository))
    .where(manifest.c.id > bindparam("after"))
    .order_by(manifest.c.id)
    .limit(bindparam("limit"))
)
_HAS_BLOB: Final = (
    exists()
    .select_from(repository_blob.join(blob, blob.c.id == repository_blob.c.blob))
    .where(
        repository_blob.c.repository == manifest_reference.c.repository,
        blob.c.digest == manifest_reference.c.digest,
        blob.c.condemned_at.is_(None),
    )
)
_named: Final = manifest.alias("named")
_HAS_MANIFEST: Final = exists().where(
    _named.c.repository == manifest_reference.c.repository, _named.c.digest == manifest_reference.c.digest
)
_REFERENCES: Final = Statement(
    select(
        manifest_reference.c.manifest,
        manifest_reference.c.digest,
        manifest_reference.c.kind,
        repository.c.name,
        manifest.c.digest,
        cast(case((and_(~_HAS_BLOB, ~_HAS_MANIFEST), 0), else_=1), Integer),
    )
    .select_from(
        manifest_reference.join(manifest, manifest.c.id == manifest_reference.c.manifest).join(
            repository, repository.c.id == manifest_reference.c.repository
        )
    )
    .where(
        tuple_(manifest_reference.c.manifest, manifest_reference.c.digest)
        > tuple_(bindparam("after_manifest"), bindparam("after_digest"))
    )
    .order_by(manifest_reference.c.manifest, manifest_reference.c.digest)
    .limit(bindparam("limit"))
)


async def blobs_after(db: Reader, after: int, limit: int) -> list[CheckedBlob]:
    """Return the next live blobs behind `after`."""
    return [CheckedBlob(*row) for row in await db.all(_BLOBS, after=after, limit=limit)]


async def manifests_after(db: Reader, after: int, limit: int) -> list[tuple[int, str, StoredManifest]]:
    """Return the next manifests behind `after`: id, repository and what is stored."""
    rows = await db.all(_MANIFESTS, after=after, limit=limit)
    return [(row[0], row[1], StoredManifest(row[2], row[3], row[4], row[5])) for row in rows]


async def references_after(db: Reader, after: tuple[int, str], limit: int) -> list[CheckedReference]:
    """Return the next references behind `after` (a manifest's id and a digest)."""
    rows = await db.all(_REFERENCES, after_manifest=after[0], after_digest=after[1], limit=limit)
    return [CheckedReference(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]
