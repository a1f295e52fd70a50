"""Statements of the clean-up. Whatever it takes away it locks first, and decides by the whole condition in a second statement.

The second statement sees what was committed while the first one waited or skipped: on PostgreSQL neither a foreign key nor a
NOT EXISTS inside the statement that locks does (both were tried, and lost what a push had been told is there).
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Integer, and_, bindparam, case, cast, delete, exists, or_, select, tuple_, update

from entrepot.domain.registry.model import Condemned
from entrepot.domain.registry.tables import blob, manifest_reference, repository, repository_blob, upload
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement

_CUTOFF: Final = now_us() - bindparam("grace_us")

# A link is needed by a manifest of its repository, or by a push that was told of it: within the grace time, and for as long as
# that push's other uploads go on.
_IS_OLD: Final = repository_blob.c.touched_at < _CUTOFF
_IS_NAMED: Final = (
    exists()
    .select_from(manifest_reference.join(blob, blob.c.digest == manifest_reference.c.digest))
    .where(manifest_reference.c.repository == repository_blob.c.repository, blob.c.id == repository_blob.c.blob)
)
_IS_PUSHED_TO: Final = or_(
    exists().where(upload.c.repository == repository_blob.c.repository, upload.c.progressed_at >= _CUTOFF),
    exists().where(repository.c.id == repository_blob.c.repository, repository.c.uploaded_at >= _CUTOFF),
)
_USELESS: Final = and_(_IS_OLD, ~_IS_NAMED, ~_IS_PUSHED_TO)

_IS_LINKED: Final = exists().where(repository_blob.c.blob == blob.c.id)
_IS_NAMED_ANYWHERE: Final = exists().where(manifest_reference.c.digest == blob.c.digest)
_NOBODYS: Final = and_(blob.c.condemned_at.is_(None), ~_IS_LINKED, ~_IS_NAMED_ANYWHERE)

_LINKS: Final = Statement(
    # Young links are the most in a busy registry: the rest of the condition is not looked at for them.
    select(repository_blob.c.repository, repository_blob.c.blob, cast(case((_IS_OLD, _USELESS), else_=False), Integer))
    .where(
        tuple_(repository_blob.c.repository, repository_blob.c.blob)
        > tuple_(bindparam("after_repository"), bindparam("after_blob"))
    )
    .order_by(repository_blob.c.repository, repository_blob.c.blob)
    .limit(bindparam("limit"))
)
_LOCK_LINKS: Final = ListStatement(
    lambda values: (
        select(repository_blob.c.blob)
        .where(repository_blob.c.repository == bindparam("repository_"), repository_blob.c.blob.in_(values))
        .order_by(repository_blob.c.blob)
        .with_for_update(skip_locked=True)
    )
)
_TAKE_LINKS: Final = ListStatement(
    lambda values: (
        delete(repository_blob)
        .where(repository_blob.c.repository == bindparam("repository_"), repository_blob.c.blob.in_(values), _USELESS)
        .returning(repository_blob.c.blob)
    )
)
_BLOBS: Final = Statement(
    select(blob.c.id, cast(_NOBODYS, Integer))
    .where(blob.c.id > bindparam("after"), blob.c.condemned_at.is_(None))
    .order_by(blob.c.id)
    .limit(bindparam("limit"))
)
_LOCK_BLOBS: Final = ListStatement(
    lambda values: select(blob.c.id).where(blob.c.id.in_(values)).order_by(blob.c.id).with_for_update(skip_locked=True)
)
_CONDEMN: Final = ListStatement(
    lambda values: update(blob).where(blob.c.id.in_(values), _NOBODYS).values(condemned_at=now_us()).returning(blob.c.id)
)
_CONDEMNED: Final = Statement(
    select(blob.c.id, blob.c.storage_key, blob.c.size)
    .where(blob.c.condemned_at < now_us() - bindparam("age_us"))
    .order_by(blob.c.condemned_at, blob.c.id)
    .limit(bindparam("limit"))
)
_FORGET: Final = ListStatement(
    lambda values: delete(blob).where(blob.c.id.in_(values), blob.c.condemned_at.is_not(None)).returning(blob.c.id)
)
_EXPIRED: Final = and_(upload.c.expires_at <= now_us(), upload.c.lease_until < now_us())
_EXPIRED_UPLOADS: Final = Statement(select(upload.c.id).where(_EXPIRED).order_by(upload.c.expires_at).limit(bindparam("limit")))
_LOCK_UPLOADS: Final = ListStatement(
    lambda values: select(upload.c.id).where(upload.c.id.in_(values)).order_by(upload.c.id).with_for_update(skip_locked=True)
)
_END_UPLOADS: Final = ListStatement(
    lambda values: delete(upload).where(upload.c.id.in_(values), _EXPIRED).returning(upload.c.handle, upload.c.storage_state)
)


async def links_after(db: Reader, after: tuple[int, int], grace_us: int, limit: int) -> list[tuple[int, int, bool]]:
    """Return the next links behind `after` (repository and blob), and whether each of them seems to be needed by nobody."""
    rows = await db.all(_LINKS, after_repository=after[0], after_blob=after[1], grace_us=grace_us, limit=limit)
    return [(row[0], row[1], bool(row[2])) for row in rows]


async def take_links(tx: Transaction, repository_: int, blobs: Sequence[int], grace_us: int) -> int:
    """Take away those of a repository's links that nobody needs, passing over those that a push holds; return how many."""
    locked = [row[0] for row in await tx.all_of(_LOCK_LINKS, blobs, repository_=repository_)]
    return len(await tx.all_of(_TAKE_LINKS, locked, repository_=repository_, grace_us=grace_us))


async def blobs_after(db: Reader, after: int, limit: int) -> list[tuple[int, bool]]:
    """Return the next live blobs behind `after`, and whether each of them seems to be nobody's."""
    return [(row[0], bool(row[1])) for row in await db.all(_BLOBS, after=after, limit=limit)]


async def condemn(tx: Transaction, blobs: Sequence[int]) -> int:
    """Condemn those of the blobs that no repository has and no manifest names; return how many."""
    locked = [row[0] for row in await tx.all_of(_LOCK_BLOBS, blobs)]
    return len(await tx.all_of(_CONDEMN, locked))


async def condemned(db: Reader, age_us: int, limit: int) -> list[Condemned]:
    """Return blobs that were condemned at least `age_us` microseconds ago."""
    return [Condemned(*row) for row in await db.all(_CONDEMNED, age_us=age_us, limit=limit)]


async def forget(tx: Transaction, blobs: Sequence[int]) -> int:
    """Delete the rows of condemned blobs, whose bytes are gone; return how many."""
    return len(await tx.all_of(_FORGET, blobs))


async def expired_uploads(db: Reader, limit: int) -> list[str]:
    """Return the ids of uploads whose time is over and that nobody works on."""
    return [row[0] for row in await db.all(_EXPIRED_UPLOADS, limit=limit)]


async def end_expired(tx: Transaction, ids: Sequence[str]) -> list[tuple[str, str | None]]:
    """Delete the rows of expired uploads; return their handles, and what the store had said of each."""
    locked = [row[0] for row in await tx.all_of(_LOCK_UPLOADS, ids)]
    return [(row[0], row[1]) for row in await tx.all_of(_END_UPLOADS, locked)]
