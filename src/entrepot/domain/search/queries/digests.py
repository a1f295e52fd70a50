"""Statements about where a digest lies, and names by their beginnings: what is found without the index."""

from typing import Final

from sqlalchemy import bindparam, select

from entrepot.domain.registry.tables import manifest, repository
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import Statement

_WITH_DIGEST: Final = Statement(
    select(repository.c.id)
    .select_from(manifest.join(repository, repository.c.id == manifest.c.repository))
    .where(manifest.c.digest == bindparam("digest"), repository.c.first_pushed_at.is_not(None))
    .order_by(repository.c.id)
    .limit(bindparam("limit"))
)
_BEGINNING: Final = Statement(
    select(repository.c.id)
    .where(
        repository.c.name >= bindparam("first"),
        repository.c.name < bindparam("behind"),
        repository.c.first_pushed_at.is_not(None),
    )
    .order_by(repository.c.name)
    .limit(bindparam("limit"))
)
_BEHIND_ALL: Final = "\U0010ffff"


async def with_digest(db: Reader, digest: str, limit: int) -> list[int]:
    """Return ids of repositories that have a manifest of that digest, at most `limit`."""
    return [row[0] for row in await db.all(_WITH_DIGEST, digest=digest, limit=limit)]


async def beginning(db: Reader, start: str, limit: int) -> list[int]:
    """Return ids of repositories whose stored names begin so, by name, at most `limit`."""
    return [row[0] for row in await db.all(_BEGINNING, first=start, behind=start + _BEHIND_ALL, limit=limit)]
