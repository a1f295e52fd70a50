"""Statements about tags as pages list them: in several orders, by a part of their name, with what else names their images."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, or_, select, tuple_, update
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
_NAME: Final = bindparam("name", type_=EXACT_TEXT)
_VERSION: Final = bindparam("version", type_=EXACT_TEXT)
_AT: Final = bindparam("at", type_=BIG)


def _in_order(order: TagOrder, *, goes_on: bool) -> Statement:
    """Return the tags in an order, from the beginning, or behind the values by which that order is."""
    found: Select[Any] = select(*_LISTED).select_from(tag.join(manifest, manifest.c.id == tag.c.manifest)).where(_OF, _HAS)
    if order is TagOrder.NAME:
        found = found.order_by(tag.c.name)
        found = found.where(tag.c.name > _NAME) if goes_on else found
    else:
        by, value = (tag.c.version, _VERSION) if order is TagOrder.VERSION else (tag.c.pushed_at, _AT)
        found = found.order_by(by.desc(), tag.c.name.desc())
        found = found.where(tuple_(by, tag.c.name) < tuple_(value, _NAME)) if goes_on else found
    return Statement(found.limit(bindparam("limit")))


_FIRST: Final = {order: _in_order(order, goes_on=False) for order in TagOrder}
_NEXT: Final = {order: _in_order(order, goes_on=True) for order in TagOrder}
_BY_NAME, _BY_VERSION, _BY_TIME = (_FIRST[order] for order in TagOrder)
_AFTER_NAME, _AFTER_VERSION, _AFTER_TIME = (_NEXT[order] for order in TagOrder)
_PLACE: Final = Statement(select(tag.c.version, tag.c.pushed_at).where(_OF, tag.c.name == _NAME))
_ALIASES: Final = ListStatement(
    lambda values: (
        select(tag.c.manifest, tag.c.name, tag.c.version, tag.c.pushed_at)
        .where(tag.c.manifest.in_(values))
        .limit(bindparam("limit"))
    )
)
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


async def aliases(db: Reader, manifests: Sequence[int], limit: int) -> list[tuple[int, str, str, int]]:
    """Return all tags on manifests: the manifest, the name, what its version sorts by, and when it was pushed."""
    return [(row[0], row[1], row[2] or "", row[3]) for row in await db.all_of(_ALIASES, manifests, limit=limit)]


async def unversioned(db: Reader, limit: int) -> list[tuple[int, str]]:
    """Return tags that a release before this one made, which sorted no versions: their repository and their name."""
    return [(row[0], row[1]) for row in await db.all(_UNVERSIONED, limit=limit)]


async def set_version(tx: Transaction, repository: int, name: str, version: str) -> None:
    """Note what a tag's version sorts by."""
    await tx.run(_SET_VERSION, repository_=repository, name_=name, version_=version)
