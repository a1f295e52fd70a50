"""Statements about repositories as they are listed: those that ever held a manifest, or were made beforehand."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, literal, select

from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.tables import pull_total, repository
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import ListStatement, Row, Statement

_PUBLIC: Final = "public"
_BEHIND_SLASH: Final = "0"
_SEEN: Final = select(
    repository.c.name,
    repository.c.visibility,
    repository.c.created_at,
    repository.c.first_pushed_at,
    func.coalesce(repository.c.uploaded_at, repository.c.first_pushed_at),
    pull_total.c.pulls,
    pull_total.c.pulled_at,
    repository.c.description,
    repository.c.id,
    repository.c.namespace,
)
_LISTED: Final = _SEEN.select_from(repository.outerjoin(pull_total, pull_total.c.repository == repository.c.id)).where(
    repository.c.first_pushed_at.is_not(None)
)
_ONE: Final = Statement(_LISTED.where(repository.c.name == bindparam("name")))
_ALL: Final = ListStatement(lambda names: _LISTED.where(repository.c.name.in_(names)))
_BY_ID: Final = ListStatement(lambda ids: _LISTED.where(repository.c.id.in_(ids)))
# Names in a namespace begin with it and a slash: they end before those in which another letter stands there.
_IN: Final = Statement(
    _LISTED.where(repository.c.name > bindparam("last"), repository.c.name < bindparam("end"))
    .order_by(repository.c.name)
    .limit(bindparam("limit"))
)
_PUBLIC_IN: Final = Statement(
    _LISTED.where(
        repository.c.name > bindparam("last"), repository.c.name < bindparam("end"), repository.c.visibility == literal(_PUBLIC)
    )
    .order_by(repository.c.name)
    .limit(bindparam("limit"))
)

_COUNT: Final = Statement(
    select(func.count()).select_from(
        select(repository.c.id).where(repository.c.first_pushed_at.is_not(None)).limit(bindparam("most")).subquery()
    )
)


async def count(db: Reader, most: int) -> int:
    """Return how many repositories are listed; no more than `most` are counted."""
    row = await db.one(_COUNT, most=most)
    return row[0] if row else 0


async def one(db: Reader, name: str) -> Listed | None:
    """Return a repository that is listed."""
    row = await db.one(_ONE, name=name)
    return _listed(row) if row else None


async def of_names(db: Reader, names: Sequence[str]) -> list[Listed]:
    """Return those of these repositories that are listed, in the order of their names."""
    return sorted((_listed(row) for row in await db.all_of(_ALL, names)), key=lambda each: each.name)


async def of_ids(db: Reader, ids: Sequence[int]) -> dict[int, Listed]:
    """Return those of these repositories that are listed, by id."""
    return {each.id: each for each in map(_listed, await db.all_of(_BY_ID, ids))}


async def in_namespace(db: Reader, namespace: str, last: str, limit: int, *, public: bool = False) -> list[Listed]:
    """Return the repositories of a namespace, or the public ones, behind the name `last`, in byte order, at most `limit`."""
    last = max(last, f"{namespace}/")
    statement = _PUBLIC_IN if public else _IN
    return [_listed(row) for row in await db.all(statement, last=last, end=f"{namespace}{_BEHIND_SLASH}", limit=limit)]


def _listed(row: Row) -> Listed:
    name, visibility, created_at, first_pushed_at, pushed_at, pulls, pulled_at, description, id_, namespace = row
    last = max(first_pushed_at, pushed_at)
    return Listed(name, visibility == _PUBLIC, created_at, last, pulls or 0, pulled_at, description or "", id_, namespace)
