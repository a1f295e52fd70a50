"""Statements about blobs and about the links by which a repository has them."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Integer, bindparam, cast, delete, exists, null, select, text, update
from sqlalchemy.dialects.postgresql import insert

from entrepot.domain.registry.model import Link, LiveBlob
from entrepot.domain.registry.queries.repositories import facts_of
from entrepot.domain.registry.tables import blob, manifest_reference, repository, repository_blob
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import ListStatement, Statement

_LIVE: Final = blob.c.condemned_at.is_(None)
_LIVE_INDEX: Final = text("condemned_at IS NULL")
_LINKED: Final = repository_blob.join(blob, blob.c.id == repository_blob.c.blob)

_LINK: Final = Statement(
    select(blob.c.id, blob.c.size, blob.c.storage_key, repository.c.visibility)
    .select_from(_LINKED.join(repository, repository.c.id == repository_blob.c.repository))
    .where(repository.c.name == bindparam("name"), blob.c.digest == bindparam("digest"), _LIVE)
)
_IS_FRESH: Final = Statement(
    select(cast(repository_blob.c.touched_at > now_us() - bindparam("fresh_us"), Integer))
    .select_from(repository_blob.join(repository, repository.c.id == repository_blob.c.repository))
    .where(repository.c.name == bindparam("name"), repository_blob.c.blob == bindparam("blob_"))
)
_SOURCE: Final = (
    select(blob.c.id, blob.c.storage_key, blob.c.size)
    .select_from(_LINKED.join(repository, repository.c.id == repository_blob.c.repository))
    .where(blob.c.digest == bindparam("digest"), _LIVE)
    .limit(1)
    # The blob alone: its link in the source may go. Locking that as well lets two mounts wait for one another for ever.
    .with_for_update(read=True, of=[blob])
)
_SOURCE_ANYWHERE: Final = Statement(_SOURCE)
_SOURCE_IN: Final = Statement(_SOURCE.where(repository.c.name == bindparam("name")))
_LOCK_LINKS: Final = ListStatement(
    lambda values: (
        select(blob.c.digest)
        .select_from(_LINKED)
        .where(repository_blob.c.repository == bindparam("repository"), blob.c.digest.in_(values), _LIVE)
        .order_by(blob.c.id)
        .with_for_update(read=True, of=[blob, repository_blob])
    )
)
_TOUCH: Final = Statement(
    update(repository_blob)
    .where(
        repository_blob.c.repository == select(repository.c.id).where(repository.c.name == bindparam("name")).scalar_subquery(),
        repository_blob.c.blob == bindparam("blob_"),
    )
    .values(touched_at=now_us())
)
_ADD_LINK: Final = Statement(
    insert(repository_blob)
    .values(repository=bindparam("repository"), blob=bindparam("blob"), touched_at=now_us())
    .on_conflict_do_update(index_elements=[repository_blob.c.repository, repository_blob.c.blob], set_={"touched_at": now_us()})
)
_ADD: Final = Statement(
    insert_unless_there(
        blob,
        [blob.c.digest],
        _LIVE_INDEX,
        digest=bindparam("digest"),
        size=bindparam("size"),
        storage_key=bindparam("storage_key"),
        created_at=now_us(),
        condemned_at=null(),
    )
)
_BY_DIGEST: Final = select(blob.c.id, blob.c.storage_key, blob.c.size).where(blob.c.digest == bindparam("digest"), _LIVE)
_FIND_LIVE: Final = Statement(_BY_DIGEST)
_LOCK_LIVE: Final = Statement(_BY_DIGEST.with_for_update())
_REPLACE_KEY: Final = Statement(update(blob).where(blob.c.id == bindparam("id_")).values(storage_key=bindparam("key")))
_LOCK_LINK: Final = Statement(
    select(blob.c.id)
    .select_from(_LINKED)
    .where(repository_blob.c.repository == bindparam("repository"), blob.c.digest == bindparam("digest"), _LIVE)
    .with_for_update(of=[repository_blob])
)
_IS_NAMED: Final = Statement(
    select(
        cast(
            exists().where(
                manifest_reference.c.repository == bindparam("repository"), manifest_reference.c.digest == bindparam("digest")
            ),
            Integer,
        )
    )
)
_UNLINK: Final = Statement(
    delete(repository_blob).where(
        repository_blob.c.repository == bindparam("repository"), repository_blob.c.blob == bindparam("blob_")
    )
)
_KEYS: Final = ListStatement(lambda values: select(blob.c.storage_key).where(blob.c.storage_key.in_(values)))


async def link(db: Reader, name: str, digest: str) -> Link | None:
    """Return the blob as the repository sees it."""
    row = await db.one(_LINK, name=name, digest=digest)
    return Link(row[0], row[1], row[2], facts_of(row[3])) if row else None


async def is_fresh(db: Reader, name: str, blob_: int, fresh_us: int) -> bool:
    """Tell whether the repository's blob was touched within `fresh_us` microseconds."""
    row = await db.one(_IS_FRESH, name=name, blob_=blob_, fresh_us=fresh_us)
    return bool(row and row[0])


async def lock_source(tx: Transaction, digest: str, source: str | None) -> LiveBlob | None:
    """Lock and return a live blob that the repository `source` (or, when None, any one) has."""
    if source is None:
        row = await tx.one(_SOURCE_ANYWHERE, digest=digest)
    else:
        row = await tx.one(_SOURCE_IN, digest=digest, name=source)
    return LiveBlob(*row) if row else None


async def lock_links(tx: Transaction, repository_: int, digests: Sequence[str]) -> set[str]:
    """Lock the repository's links to these blobs until the transaction ends; return the digests that were found."""
    return {row[0] for row in await tx.all_of(_LOCK_LINKS, digests, repository=repository_)}


async def touch(tx: Transaction, name: str, blob_: int) -> bool:
    """Note that the blob is in use; False when the link has gone meanwhile."""
    return await tx.run(_TOUCH, name=name, blob_=blob_) > 0


async def add_link(tx: Transaction, repository_: int, blob_: int) -> None:
    """Let the repository have the blob, and note that it is in use."""
    await tx.run(_ADD_LINK, repository=repository_, blob=blob_)


async def find_live(db: Reader, digest: str) -> LiveBlob | None:
    """Return the live blob of that digest, whoever has it."""
    row = await db.one(_FIND_LIVE, digest=digest)
    return LiveBlob(*row) if row else None


async def lock_live(tx: Transaction, digest: str) -> LiveBlob | None:
    """Return the live blob of that digest, locked."""
    row = await tx.one(_LOCK_LIVE, digest=digest)
    return LiveBlob(*row) if row else None


async def add_blob(tx: Transaction, digest: str, size: int, storage_key: str) -> LiveBlob:
    """Return the live blob of that digest, locked; it is made with this key when there is none."""
    while True:
        await tx.run(_ADD, digest=digest, size=size, storage_key=storage_key)
        found = await lock_live(tx, digest)
        if found is not None:  # else it was condemned between the two statements
            return found


async def replace_key(tx: Transaction, blob_: int, storage_key: str) -> None:
    """Let the blob's bytes lie under another key."""
    await tx.run(_REPLACE_KEY, id_=blob_, key=storage_key)


async def lock_link(tx: Transaction, repository_: int, digest: str) -> int | None:
    """Lock the repository's link to a blob and return the blob's id."""
    row = await tx.one(_LOCK_LINK, repository=repository_, digest=digest)
    return row[0] if row else None


async def is_named(tx: Transaction, repository_: int, digest: str) -> bool:
    """Tell whether a manifest of the repository names the blob."""
    row = await tx.one(_IS_NAMED, repository=repository_, digest=digest)
    return bool(row and row[0])


async def unlink(tx: Transaction, repository_: int, blob_: int) -> None:
    """Take the blob away from the repository; its bytes stay until nothing names them."""
    await tx.run(_UNLINK, repository=repository_, blob_=blob_)


async def known_keys(db: Reader, keys: Sequence[str]) -> set[str]:
    """Return those of the storage keys that belong to a blob."""
    return {row[0] for row in await db.all_of(_KEYS, keys)}
