"""Statements that take away what is in repositories that were deleted, a few hundred rows at a time."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BindParameter, bindparam, delete, select, update

from entrepot.domain.registry.queries.repositories import BURIED
from entrepot.domain.registry.tables import (
    manifest,
    manifest_reference,
    repository,
    repository_blob,
    tag,
    tag_move,
    upload,
)
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement

_OF: Final[BindParameter[int]] = bindparam("repository_")
_BURIED: Final = Statement(
    select(repository.c.id)
    .where(repository.c.name > BURIED, repository.c.id > bindparam("after"))
    .order_by(repository.c.id)
    .limit(bindparam("limit"))
)
_TAGS: Final = Statement(select(tag.c.name).where(tag.c.repository == _OF).limit(bindparam("limit")))
_DELETE_TAGS: Final = ListStatement(
    lambda values: delete(tag).where(tag.c.repository == _OF, tag.c.name.in_(values)).returning(tag.c.name)
)
_REFERENCES: Final = Statement(
    select(manifest_reference.c.digest, manifest_reference.c.manifest)
    .select_from(manifest.join(manifest_reference, manifest_reference.c.manifest == manifest.c.id))
    .where(manifest.c.repository == _OF)
    .limit(bindparam("limit"))
)
_DELETE_REFERENCES: Final = ListStatement(
    lambda values: (
        delete(manifest_reference)
        .where(manifest_reference.c.manifest == bindparam("manifest_"), manifest_reference.c.digest.in_(values))
        .returning(manifest_reference.c.digest)
    )
)
_MANIFESTS: Final = Statement(select(manifest.c.id).where(manifest.c.repository == _OF).limit(bindparam("limit")))
_DELETE_MANIFESTS: Final = ListStatement(
    lambda values: delete(manifest).where(manifest.c.id.in_(values)).returning(manifest.c.id)
)
_LINKS: Final = Statement(select(repository_blob.c.blob).where(repository_blob.c.repository == _OF).limit(bindparam("limit")))
_DELETE_LINKS: Final = ListStatement(
    lambda values: (
        delete(repository_blob)
        .where(repository_blob.c.repository == _OF, repository_blob.c.blob.in_(values))
        .returning(repository_blob.c.blob)
    )
)
_MOVES: Final = Statement(select(tag_move.c.id).where(tag_move.c.repository == _OF).limit(bindparam("limit")))
_DELETE_MOVES: Final = ListStatement(lambda values: delete(tag_move).where(tag_move.c.id.in_(values)).returning(tag_move.c.id))
_EXPIRE: Final = Statement(update(upload).where(upload.c.repository == _OF).values(expires_at=0))
_UPLOAD: Final = Statement(select(upload.c.id).where(upload.c.repository == _OF).limit(1))
_DELETE: Final = Statement(delete(repository).where(repository.c.id == _OF, repository.c.name > BURIED))
# In this order, because each names the next ones.
_STEPS: Final = (
    (_TAGS, _DELETE_TAGS),
    (_MANIFESTS, _DELETE_MANIFESTS),
    (_LINKS, _DELETE_LINKS),
    (_MOVES, _DELETE_MOVES),
)


async def buried(db: Reader, after: int, limit: int) -> list[int]:
    """Return the next repositories behind `after` that were deleted, at most `limit`."""
    return [row[0] for row in await db.all(_BURIED, after=after, limit=limit)]


async def take_some(tx: Transaction, repository_: int, limit: int) -> int:
    """Take away what is in a repository, at most `limit` rows of one kind; return how many."""
    by_manifest: dict[int, list[str]] = {}
    for digest, manifest_ in await tx.all(_REFERENCES, repository_=repository_, limit=limit):
        by_manifest.setdefault(manifest_, []).append(digest)
    if by_manifest:
        return sum([await _references(tx, each, digests) for each, digests in by_manifest.items()])
    for find, take in _STEPS:
        found = [row[0] for row in await tx.all(find, repository_=repository_, limit=limit)]
        if found:
            return len(await tx.all_of(take, found, repository_=repository_))
    return 0


async def end(tx: Transaction, repository_: int) -> bool:
    """Delete an empty repository; False as long as uploads to it are there, which expire at once."""
    await tx.run(_EXPIRE, repository_=repository_)
    if await tx.one(_UPLOAD, repository_=repository_) is not None:
        return False
    return await tx.run(_DELETE, repository_=repository_) > 0


async def _references(tx: Transaction, manifest_: int, digests: Sequence[str]) -> int:
    return len(await tx.all_of(_DELETE_REFERENCES, digests, manifest_=manifest_))
