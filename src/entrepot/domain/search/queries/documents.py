"""Statements about what is written of repositories into the index."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, func, select

from entrepot.domain.catalogue.tables import star_total
from entrepot.domain.registry.tables import pull_total, repository, tag
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import ListStatement, Statement

_PUBLIC: Final = "public"


class Written(msgspec.Struct, frozen=True):
    """A repository as it is written into the index; times are microseconds UTC."""

    id: int
    name: str
    namespace: int
    is_public: bool
    description: str
    readme: str
    archived_at: int | None
    updated_at: int
    pulls: int
    stars: int


_WRITTEN: Final = ListStatement(
    lambda ids: (
        select(
            repository.c.id,
            repository.c.name,
            repository.c.namespace,
            repository.c.visibility,
            func.coalesce(repository.c.description, ""),
            func.coalesce(repository.c.readme, ""),
            repository.c.archived_at,
            func.coalesce(repository.c.uploaded_at, 0),
            repository.c.first_pushed_at,
            func.coalesce(pull_total.c.pulls, 0),
            func.coalesce(star_total.c.stars, 0),
        )
        .select_from(
            repository.outerjoin(pull_total, pull_total.c.repository == repository.c.id).outerjoin(
                star_total, star_total.c.repository == repository.c.id
            )
        )
        .where(repository.c.id.in_(ids), repository.c.first_pushed_at.is_not(None))
    )
)
_IDS: Final = Statement(
    select(repository.c.id)
    .where(repository.c.id > bindparam("after"), repository.c.first_pushed_at.is_not(None))
    .order_by(repository.c.id)
    .limit(bindparam("limit"))
)
_PULLED: Final = Statement(
    select(pull_total.c.repository, pull_total.c.pulled_at)
    .where(pull_total.c.pulled_at > bindparam("since"))
    .order_by(pull_total.c.pulled_at, pull_total.c.repository)
    .limit(bindparam("limit"))
)
_LATEST: Final = ListStatement(
    lambda ids: select(tag.c.repository, tag.c.manifest).where(tag.c.repository.in_(ids), tag.c.name == "latest")
)
_NEWEST: Final = Statement(
    select(tag.c.manifest)
    .where(tag.c.repository == bindparam("repository"))
    .order_by(tag.c.pushed_at.desc(), tag.c.name.desc())
    .limit(1)
)


async def written(db: Reader, ids: Sequence[int]) -> list[Written]:
    """Return those of these repositories that are listed."""
    found = []
    for id_, name, home, visibility, description, readme, archived_at, uploaded_at, pushed_at, pulls, stars in await db.all_of(
        _WRITTEN, ids
    ):
        updated_at = max(uploaded_at, pushed_at)
        is_public = visibility == _PUBLIC
        found.append(Written(id_, name, home, is_public, description, readme, archived_at, updated_at, pulls, stars))
    return found


async def ids_after(db: Reader, after: int, limit: int) -> list[int]:
    """Return the ids of repositories behind one, in order, at most `limit`."""
    return [row[0] for row in await db.all(_IDS, after=after, limit=limit)]


async def pulled_since(db: Reader, since: int, limit: int) -> list[tuple[int, int]]:
    """Return repositories that were pulled after that time, and when last, in the order of that, at most `limit`."""
    return [(row[0], row[1]) for row in await db.all(_PULLED, since=since, limit=limit)]


async def shown(db: Reader, repositories: Sequence[int]) -> dict[int, int]:
    """Return the manifest that stands for each repository: that of its tag `latest`, else the one that was tagged last."""
    found = {row[0]: row[1] for row in await db.all_of(_LATEST, repositories)}
    for each in repositories:
        if each not in found:
            row = await db.one(_NEWEST, repository=each)
            if row is not None:
                found[each] = row[0]
    return found
