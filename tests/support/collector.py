"""The clean-up that pushes must be safe against: it takes away links that nothing names and condemns blobs that nobody has.

Each of its two steps is a transaction that first locks what it found, skipping what others hold, and then decides by the whole
condition in a second statement, which sees what was committed since.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from entrepot.domain.registry.tables import blob, manifest_reference, repository_blob
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.db.statements import Statement

GRACE_US: Final = 3600 * 1_000_000


def _useless_link() -> ColumnElement[bool]:
    named = (
        exists()
        .select_from(manifest_reference.join(blob, blob.c.digest == manifest_reference.c.digest))
        .where(manifest_reference.c.repository == repository_blob.c.repository, blob.c.id == repository_blob.c.blob)
    )
    return and_(repository_blob.c.touched_at < now_us() - GRACE_US, ~named)


def _nobodys() -> ColumnElement[bool]:
    linked = exists().where(repository_blob.c.blob == blob.c.id)
    named = exists().where(manifest_reference.c.digest == blob.c.digest)
    return and_(blob.c.condemned_at.is_(None), ~linked, ~named)


_FIND_LINKS: Final = Statement(
    select(repository_blob.c.repository, repository_blob.c.blob).where(_useless_link()).with_for_update(skip_locked=True)
)
_FIND_BLOBS: Final = Statement(select(blob.c.id).where(_nobodys()).with_for_update(skip_locked=True))


async def collect_links(tx: Transaction) -> int:
    """Take away the links that are old and that no manifest of their repository needs; return how many."""
    found = [(row[0], row[1]) for row in await tx.all(_FIND_LINKS)]
    return await tx.run(_take_away(found)) if found else 0


async def condemn_blobs(tx: Transaction) -> int:
    """Condemn the blobs that no repository has and no manifest names; return how many."""
    found = [row[0] for row in await tx.all(_FIND_BLOBS)]
    return await tx.run(_condemn(found)) if found else 0


async def collect(db: Database) -> tuple[int, int]:
    """Do both steps."""
    return await db.write(collect_links), await db.write(condemn_blobs)


def _take_away(found: Sequence[tuple[int, int]]) -> Statement:
    these = or_(*(and_(repository_blob.c.repository == one, repository_blob.c.blob == other) for one, other in found))
    return Statement(delete(repository_blob).where(these, _useless_link()))


def _condemn(found: Sequence[int]) -> Statement:
    return Statement(update(blob).where(or_(*(blob.c.id == one for one in found)), _nobodys()).values(condemned_at=now_us()))
