"""Statements about tags as pages list them: in several orders, by a part of their name, with what else names their images."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from entrepot.domain.registry.model import ListedTag, TagOrder
from entrepot.domain.registry.tables import manifest, tag
from entrepot.platform.db.columns import BIG, EXACT_TEXT
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement


class _place_of(FunctionElement[int]):  # noqa: N801 - written like the SQL functions of SQLAlchemy
    """Where a text lies in another, from 1; 0 where it does not."""

    type = BIG
    inherit_cache = True


@compiles(_place_of, "sqlite")
def _on_sqlite(element: _place_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_place_of, "postgresql")
def _on_postgresql(element: _place_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


_LISTED: Final = (tag.c.name, tag.c.manifest, manifest.c.digest, manifest.c.media_type, manifest.c.pushed_by, tag.c.pushed_at)
_OF: Final = tag.c.repository == bindparam("repository")
_TEXT: Final[ColumnElement[str]] = bindparam("text", type_=EXACT_TEXT)
_HAS: Final = or_(_TEXT == "", _place_of(tag.c.name, _TEXT) > 0)
_OTHER: Final = tag.alias("other")
_NAME: Final = bindparam("name", type_=EXACT_TEXT)
_VERSION: Final = bindparam("version", type_=EXACT_TEXT)
_AT: Final = bindparam("at", type_=BIG)


def _in_order(order: TagOrder, *, goes_on: bool) -> Statement:
    """Return images by the first of their tags in an order, from the beginning, or behind the values by which that order is."""
    found: Select[Any] = select(*_LISTED).select_from(tag.join(manifest, manifest.c.id == tag.c.manifest)).where(_OF, _HAS)
    same = (_OTHER.c.manifest == tag.c.manifest, or_(_TEXT == "", _place_of(_OTHER.c.name, _TEXT) > 0))
    if order is TagOrder.NAME:
        found = found.where(~exists().where(*same, _OTHER.c.name < tag.c.name)).order_by(tag.c.name)
        found = found.where(tag.c.name > _NAME) if goes_on else found
    else:
        column, value = ("version", _VERSION) if order is TagOrder.VERSION else ("pushed_at", _AT)
        by, other = tag.c[column], _OTHER.c[column]
        found = found.where(~exists().where(*same, tuple_(other, _OTHER.c.name) > tuple_(by, tag.c.name)))
        found = found.order_by(by.desc(), tag.c.name.desc())
        found = found.where(tuple_(by, tag.c.name) < tuple_(value, _NAME)) if goes_on else found
    return Statement(found.limit(bindparam("limit")))


_FIRST: Final = {order: _in_order(order, goes_on=False) for order in TagOrder}
_NEXT: Final = {order: _in_order(order, goes_on=True) for order in TagOrder}
_BY_NAME, _BY_VERSION, _BY_TIME = (_FIRST[order] for order in TagOrder)
_AFTER_NAME, _AFTER_VERSION, _AFTER_TIME = (_NEXT[order] for order in TagOrder)
_PLACE: Final = Statement(select(tag.c.version, tag.c.pushed_at).where(_OF, tag.c.name == _NAME))
_ALIASES: Final = Statement(
    select(tag.c.name)
    .where(tag.c.manifest == bindparam("manifest"))
    .order_by(tag.c.version.desc(), tag.c.name.desc())
    .limit(bindparam("limit"))
)
_COUNTS: Final = ListStatement(
    lambda values: select(tag.c.manifest, func.count()).where(tag.c.manifest.in_(values)).group_by(tag.c.manifest)
)
_ANY_UNVERSIONED: Final = Statement(select(tag.c.name).where(_OF, tag.c.version.is_(None)).limit(1))
_UNVERSIONED: Final = Statement(select(tag.c.repository, tag.c.name).where(tag.c.version.is_(None)).limit(bindparam("limit")))
_SET_VERSION: Final = Statement(
    update(tag)
    .where(tag.c.repository == bindparam("repository_"), tag.c.name == bindparam("name_"))
    .values(version=bindparam("version_", type_=EXACT_TEXT))
)


async def in_order(db: Reader, repository: int, order: TagOrder, after: str, text: str, limit: int) -> list[ListedTag]:
    """Return tags with that text in their name, in an order, behind the tag `after`; from the beginning if there is none such."""
    values: dict[str, Any] = {"repository": repository, "text": text, "limit": limit}
    place = await db.one(_PLACE, repository=repository, name=after) if after else None
    if order is TagOrder.NAME and after:
        place = ("", 0)
    statement = _FIRST[order]
    if place is not None:
        statement = _NEXT[order]
        keys = {TagOrder.NAME: {}, TagOrder.VERSION: {"version": place[0] or ""}, TagOrder.PUSHED: {"at": place[1]}}
        values |= {"name": after, **keys[order]}
    return [ListedTag(*row) for row in await db.all(statement, **values)]


async def aliases(db: Reader, manifest_: int, limit: int) -> list[str]:
    """Return the tags on a manifest, in the order of versions, at most `limit`."""
    return [row[0] for row in await db.all(_ALIASES, manifest=manifest_, limit=limit)]


async def counts(db: Reader, manifests: Sequence[int]) -> dict[int, int]:
    """Return how many tags there are on manifests."""
    return {row[0]: row[1] for row in await db.all_of(_COUNTS, manifests)}


async def has_unversioned(db: Reader, repository: int) -> bool:
    """Tell whether a repository has tags whose versions are not noted yet."""
    return await db.one(_ANY_UNVERSIONED, repository=repository) is not None


async def unversioned(db: Reader, limit: int) -> list[tuple[int, str]]:
    """Return tags that a release before this one made, which sorted no versions: their repository and their name."""
    return [(row[0], row[1]) for row in await db.all(_UNVERSIONED, limit=limit)]


async def set_version(tx: Transaction, repository: int, name: str, version: str) -> None:
    """Note what a tag's version sorts by."""
    await tx.run(_SET_VERSION, repository_=repository, name_=name, version_=version)
