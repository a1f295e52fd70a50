"""Statements about badges and categories."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, cast, delete, null, select
from sqlalchemy.dialects.postgresql import insert

from entrepot.domain.accounts.tables import namespace
from entrepot.domain.catalogue.model import Badge, Category, Granted
from entrepot.domain.catalogue.tables import badge, category, repository_category
from entrepot.domain.registry.tables import repository_change
from entrepot.platform.db.columns import BIG, EXACT_TEXT, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import ListStatement, Row, Statement

_GRANT_ROW: Final = insert(badge).values(
    namespace=bindparam("namespace"),
    kind=bindparam("kind"),
    checked=bindparam("checked"),
    granted_by=bindparam("granted_by"),
    granted_at=now_us(),
)
_GRANT: Final = Statement(
    _GRANT_ROW.on_conflict_do_update(
        index_elements=[badge.c.namespace, badge.c.kind],
        set_={name: _GRANT_ROW.excluded[name] for name in ("checked", "granted_by", "granted_at")},
    )
)
_REVOKE: Final = Statement(delete(badge).where(badge.c.namespace == bindparam("namespace_"), badge.c.kind == bindparam("kind_")))
_GRANTED: Final = (
    select(namespace.c.name, badge.c.kind, badge.c.checked, badge.c.granted_by, badge.c.granted_at)
    .select_from(badge.join(namespace, namespace.c.id == badge.c.namespace))
    .order_by(namespace.c.name, badge.c.kind)
)
_ALL_GRANTED: Final = Statement(_GRANTED)
_GRANTED_TO: Final = Statement(_GRANTED.where(namespace.c.name == bindparam("name")))
_BADGES: Final = ListStatement(lambda values: select(badge.c.namespace, badge.c.kind).where(badge.c.namespace.in_(values)))
_CATEGORIES: Final = Statement(
    select(category.c.name, category.c.english, category.c.french, category.c.rank).order_by(category.c.rank, category.c.name)
)
_PUT_ROW: Final = insert(category).values(
    name=bindparam("name"), english=bindparam("english"), french=bindparam("french"), rank=bindparam("rank")
)
_PUT: Final = Statement(
    _PUT_ROW.on_conflict_do_update(
        index_elements=[category.c.name], set_={name: _PUT_ROW.excluded[name] for name in ("english", "french", "rank")}
    )
)
_DROP: Final = Statement(delete(category).where(category.c.name == bindparam("name_")))
_NOTE_CHANGES: Final = Statement(
    insert(repository_change).from_select(
        ["repository", "manifest", "made_at"],
        select(repository_category.c.repository, cast(null(), BIG), now_us())
        .where(repository_category.c.category == bindparam("name", type_=EXACT_TEXT))
        .order_by(repository_category.c.repository),
    )
)
_OF: Final = ListStatement(
    lambda values: (
        select(repository_category.c.repository, repository_category.c.category)
        .where(repository_category.c.repository.in_(values))
        .order_by(repository_category.c.repository, repository_category.c.category)
    )
)
_CLEAR: Final = Statement(delete(repository_category).where(repository_category.c.repository == bindparam("repository_")))
_SHELVE: Final = Statement(
    insert_unless_there(
        repository_category,
        [repository_category.c.repository, repository_category.c.category],
        repository=bindparam("repository"),
        category=bindparam("category"),
    )
)
_NAMESPACE: Final = Statement(
    select(namespace.c.id, namespace.c.kind).where(namespace.c.name == bindparam("name")).with_for_update(key_share=True)
)


async def lock_namespace(tx: Transaction, name: str) -> tuple[int, str] | None:
    """Return the id and kind of a namespace, which stays until the transaction ends."""
    row = await tx.one(_NAMESPACE, name=name)
    return (row[0], row[1]) if row else None


async def grant(tx: Transaction, namespace_: int, kind: Badge, checked: str, by: str) -> None:
    """Give a namespace a badge, or say anew why it has it."""
    await tx.run(_GRANT, namespace=namespace_, kind=kind.value, checked=checked, granted_by=by)


async def revoke(tx: Transaction, namespace_: int, kind: Badge) -> bool:
    """Take a badge away; tell whether it was there."""
    return await tx.run(_REVOKE, namespace_=namespace_, kind_=kind.value) > 0


async def granted(db: Reader, name: str = "") -> list[Granted]:
    """Return the badges of a namespace, or all that were granted."""
    return [_granted(row) for row in await (db.all(_GRANTED_TO, name=name) if name else db.all(_ALL_GRANTED))]


async def badges(db: Reader, namespaces: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return the badges of namespaces, whose ids are given."""
    found: dict[int, tuple[str, ...]] = {}
    for id_, kind in await db.all_of(_BADGES, namespaces):
        found[id_] = (*found.get(id_, ()), kind)
    return found


async def categories(db: Reader) -> list[Category]:
    """Return all categories, in their order."""
    return [Category(*row) for row in await db.all(_CATEGORIES)]


async def put(tx: Transaction, put_: Category, rank: int) -> None:
    """Make a category, or change its titles and place."""
    await tx.run(_PUT, name=put_.name, english=put_.english, french=put_.french, rank=rank)


async def drop(tx: Transaction, name: str) -> bool:
    """Take a category away, from all images too; tell whether it was there."""
    return await tx.run(_DROP, name_=name) > 0


async def note_changes(tx: Transaction, name: str) -> None:
    """Note that what is told of all images in a category is changed by this transaction."""
    await tx.run(_NOTE_CHANGES, name=name)


async def categories_of(db: Reader, repositories: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Return the categories of repositories."""
    found: dict[int, tuple[str, ...]] = {}
    for id_, name in await db.all_of(_OF, repositories):
        found[id_] = (*found.get(id_, ()), name)
    return found


async def shelve(tx: Transaction, repository_: int, names: Sequence[str]) -> None:
    """Let a repository be in these categories and no others."""
    await tx.run(_CLEAR, repository_=repository_)
    for name in sorted(set(names)):
        await tx.run(_SHELVE, repository=repository_, category=name)


def _granted(row: Row) -> Granted:
    name, kind, *rest = row
    return Granted(name, Badge(kind), *rest)
