"""Statements about tags and the record of their moves."""

from typing import Final

from sqlalchemy import and_, bindparam, cast, delete, func, insert, select, update

from entrepot.domain.registry.model import Page, TagDetail, TagMove
from entrepot.domain.registry.tables import blob, manifest, manifest_reference, repository_blob, tag, tag_move
from entrepot.platform.db.columns import BIG, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement

_ONE: Final = (tag.c.repository == bindparam("repository_"), tag.c.name == bindparam("name_"))
_NAMES: Final = Statement(
    select(tag.c.name)
    .where(tag.c.repository == bindparam("repository"), tag.c.name > bindparam("last"))
    .order_by(tag.c.name)
    .limit(bindparam("limit"))
)
# What a manifest names lies in the repository as blobs; what lies elsewhere in the hub tells nobody here how large it is.
_NAMED_BYTES: Final = (
    select(func.coalesce(func.sum(blob.c.size), 0))
    .select_from(
        manifest_reference.join(blob, blob.c.digest == manifest_reference.c.digest).join(
            repository_blob,
            and_(repository_blob.c.blob == blob.c.id, repository_blob.c.repository == manifest_reference.c.repository),
        )
    )
    .where(manifest_reference.c.manifest == manifest.c.id, blob.c.condemned_at.is_(None))
    .scalar_subquery()
)
_DETAILED: Final = select(
    tag.c.name,
    manifest.c.digest,
    manifest.c.media_type,
    manifest.c.artifact_type,
    cast(manifest.c.size + _NAMED_BYTES, BIG),
    manifest.c.pushed_by,
    tag.c.pushed_at,
).select_from(tag.join(manifest, manifest.c.id == tag.c.manifest))
_DETAIL: Final = Statement(_DETAILED.where(tag.c.repository == bindparam("repository"), tag.c.name == bindparam("name")))
_DETAILS: Final = Statement(
    _DETAILED.where(tag.c.repository == bindparam("repository"), tag.c.name > bindparam("last"))
    .order_by(tag.c.name)
    .limit(bindparam("limit"))
)
_ADD: Final = Statement(
    insert_unless_there(
        tag,
        [tag.c.repository, tag.c.name],
        repository=bindparam("repository"),
        name=bindparam("name"),
        manifest=bindparam("manifest"),
        pushed_at=now_us(),
        version=bindparam("version"),
    )
)
# The tag alone: with the manifest joined, PostgreSQL would find nothing when the tag moved while it waited for the lock.
_LOCK: Final = Statement(select(tag.c.manifest).where(*_ONE).with_for_update())
_DIGEST_OF: Final = Statement(select(manifest.c.digest).where(manifest.c.id == bindparam("id")))
_POINT: Final = Statement(update(tag).where(*_ONE).values(manifest=bindparam("manifest"), pushed_at=now_us()))
_DELETE: Final = Statement(delete(tag).where(*_ONE))
_DELETE_ON_MANIFEST: Final = Statement(delete(tag).where(tag.c.manifest == bindparam("manifest_")).returning(tag.c.name))
_RECORD: Final = Statement(
    insert(tag_move).values(
        repository=bindparam("repository"),
        name=bindparam("name"),
        from_digest=bindparam("from_digest"),
        to_digest=bindparam("to_digest"),
        actor=bindparam("actor"),
        moved_at=now_us(),
    )
)
_MOVES: Final = Statement(
    select(tag_move.c.name, tag_move.c.from_digest, tag_move.c.to_digest, tag_move.c.actor, tag_move.c.moved_at)
    .where(tag_move.c.repository == bindparam("repository"), tag_move.c.name == bindparam("name"))
    .order_by(tag_move.c.id.desc())
    .limit(bindparam("limit"))
)


async def names_after(db: Reader, repository: int, last: str, limit: int) -> Page:
    """Return the tags behind `last`, in byte order, at most `limit`."""
    rows = await db.all(_NAMES, repository=repository, last=last, limit=limit + 1)
    return Page([row[0] for row in rows[:limit]], more=len(rows) > limit)


async def detail(db: Reader, repository: int, name: str) -> TagDetail | None:
    """Return one tag and what it points at."""
    row = await db.one(_DETAIL, repository=repository, name=name)
    return TagDetail(*row) if row else None


async def details_after(db: Reader, repository: int, last: str, limit: int) -> list[TagDetail]:
    """Return the tags behind `last` and what they point at, in byte order, at most `limit`."""
    return [TagDetail(*row) for row in await db.all(_DETAILS, repository=repository, last=last, limit=limit)]


async def add_tag(tx: Transaction, repository: int, name: str, manifest_: int, version: str) -> bool:
    """Make the tag, whose version sorts so; False when it was there already and nothing was changed."""
    return await tx.run(_ADD, repository=repository, name=name, manifest=manifest_, version=version) > 0


async def lock_tag(tx: Transaction, repository: int, name: str) -> str | None:
    """Lock the tag until the transaction ends and return the digest that it points at."""
    locked = await tx.one(_LOCK, repository_=repository, name_=name)
    row = await tx.one(_DIGEST_OF, id=locked[0]) if locked else None
    return row[0] if row else None


async def point(tx: Transaction, repository: int, name: str, manifest_: int) -> None:
    """Let an existing tag point at the manifest."""
    await tx.run(_POINT, repository_=repository, name_=name, manifest=manifest_)


async def delete_tag(tx: Transaction, repository: int, name: str) -> None:
    """Delete the tag."""
    await tx.run(_DELETE, repository_=repository, name_=name)


async def delete_tags_on(tx: Transaction, manifest_: int) -> list[str]:
    """Delete the tags that point at the manifest, and return just those that were deleted."""
    return sorted(row[0] for row in await tx.all(_DELETE_ON_MANIFEST, manifest_=manifest_))


async def record_move(
    tx: Transaction, repository: int, name: str, *, from_digest: str | None, to_digest: str | None, actor: str
) -> None:
    """Write one move of a tag into its history, which is never changed."""
    await tx.run(_RECORD, repository=repository, name=name, from_digest=from_digest, to_digest=to_digest, actor=actor)


async def moves(db: Reader, repository: int, name: str, limit: int) -> list[TagMove]:
    """Return the last moves of a tag, newest first."""
    return [TagMove(*row) for row in await db.all(_MOVES, repository=repository, name=name, limit=limit)]
