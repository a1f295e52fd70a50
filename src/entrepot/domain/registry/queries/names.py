"""Statements about names: what a name leads to, and whose the former ones are.

Whoever makes a repository, or gives it another name, first locks the row of its namespace; whoever gives a namespace another name
locks it for itself alone. So none of them decides by what another one is about to change.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.access.model import Facts
from entrepot.domain.accounts.model import DELETED, USER
from entrepot.domain.accounts.tables import (
    account,
    account_grant,
    credential,
    member,
    name_hold,
    namespace,
    one_time_link,
    team,
    team_grant,
    team_member,
)
from entrepot.domain.registry.model import Former, Home
from entrepot.domain.registry.tables import repository, repository_alias
from entrepot.platform.db.columns import EXACT_TEXT, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement

_CLAIMED: Final = "claimed"
_FREED: Final = "freed"
_NOBODYS: Final = "~"  # no name that can be asked for begins with it
_AFTER_SLASH: Final = "0"  # the character that follows a slash: what begins with a name and a slash lies before it
_PUBLIC: Final = "public"
_NAMESPACE: Final[BindParameter[str]] = bindparam("namespace", type_=EXACT_TEXT)
_PATH: Final[BindParameter[str]] = bindparam("path", type_=EXACT_TEXT)
_THERE: Final[tuple[ColumnElement[Any], ...]] = (repository.c.name, repository.c.visibility, repository.c.archived_at)
_IN_IT: Final[ColumnElement[str]] = namespace.c.name + literal("/", EXACT_TEXT) + _PATH
_HELD: Final = name_hold.join(namespace, namespace.c.id == name_hold.c.namespace)
# The name itself; a former name; the same name in a namespace that is called otherwise now, or a former name there; what a push
# would make there. In one statement, so that it takes as long for what is hidden as for what is absent.
_FACTS: Final = Statement(
    union_all(
        select(literal(0).label("rank"), *_THERE).where(repository.c.name == bindparam("name")),
        select(literal(1), *_THERE)
        .select_from(
            namespace.join(repository_alias, repository_alias.c.namespace == namespace.c.id).join(
                repository, repository.c.id == repository_alias.c.repository
            )
        )
        .where(namespace.c.name == _NAMESPACE, repository_alias.c.path == _PATH),
        select(literal(2), *_THERE)
        .select_from(_HELD.join(repository, repository.c.name == _IN_IT))
        .where(name_hold.c.name == _NAMESPACE),
        select(literal(3), *_THERE)
        .select_from(
            name_hold.join(repository_alias, repository_alias.c.namespace == name_hold.c.namespace).join(
                repository, repository.c.id == repository_alias.c.repository
            )
        )
        .where(name_hold.c.name == _NAMESPACE, repository_alias.c.path == _PATH),
        select(literal(4), _IN_IT, null(), null()).select_from(_HELD).where(name_hold.c.name == _NAMESPACE),
    )
    .order_by("rank")
    .limit(1)
)
_HOME: Final = select(
    namespace.c.id,
    namespace.c.name,
    namespace.c.kind,
    namespace.c.visibility,
    select(account.c.id).where(account.c.namespace == namespace.c.id).scalar_subquery(),
).where(namespace.c.name == bindparam("name"))
_LOCK_HOME: Final = Statement(_HOME.with_for_update(key_share=True, of=[namespace]))
_LOCK_HOME_ALONE: Final = Statement(_HOME.with_for_update(of=[namespace]))
_CLAIM: Final = Statement(
    insert_unless_there(
        namespace, [namespace.c.name], name=bindparam("name"), kind=literal(_CLAIMED), created_at=now_us(), visibility=null()
    )
)
_DROP_CLAIM: Final = Statement(
    delete(namespace).where(namespace.c.name == bindparam("name_"), namespace.c.kind == literal(_CLAIMED))
)
_HOLDER: Final = Statement(select(name_hold.c.namespace).where(name_hold.c.name == bindparam("name")))
_LEADS_TO: Final = Statement(select(namespace.c.name).select_from(_HELD).where(name_hold.c.name == bindparam("name")))
_COUNT_HELD: Final = Statement(select(func.count()).select_from(name_hold).where(name_hold.c.namespace == bindparam("namespace")))
_HELD_BY: Final = Statement(
    select(name_hold.c.name).where(name_hold.c.namespace == bindparam("namespace")).order_by(name_hold.c.name)
)
_HOLD: Final = Statement(insert(name_hold).values(name=bindparam("name"), namespace=bindparam("namespace"), held_at=now_us()))
_UNHOLD: Final = Statement(delete(name_hold).where(name_hold.c.name == bindparam("name_")))
_CALL_NAMESPACE: Final = Statement(
    update(namespace).where(namespace.c.id == bindparam("id_")).values(name=bindparam("name_", type_=EXACT_TEXT))
)
_FREE: Final = Statement(
    update(namespace)
    .where(namespace.c.id == bindparam("id_"))
    .values(name=bindparam("name_", type_=EXACT_TEXT), kind=literal(_FREED))
)
_LONGEST_IN: Final = Statement(
    select(func.max(func.length(repository.c.name))).where(
        repository.c.name > bindparam("first"), repository.c.name < bindparam("behind")
    )
)
_CALL_REPOSITORIES: Final = Statement(
    update(repository)
    .where(repository.c.name > bindparam("first"), repository.c.name < bindparam("behind"))
    .values(
        name=bindparam("new", type_=EXACT_TEXT)
        + literal("/", EXACT_TEXT)
        + func.substr(repository.c.name, bindparam("skipped", type_=Integer))
    )
)
_ANY_IN: Final = Statement(
    select(repository.c.id).where(repository.c.name > bindparam("first"), repository.c.name < bindparam("behind")).limit(1)
)
_ALIAS: Final = Statement(
    insert_or_replace(repository_alias)
    .values(namespace=bindparam("namespace"), path=bindparam("path"), repository=bindparam("repository"), made_at=now_us())
    .on_conflict_do_update(
        index_elements=[repository_alias.c.namespace, repository_alias.c.path],
        set_={"repository": bindparam("repository"), "made_at": now_us()},
    )
)
_END_ALIAS: Final = Statement(
    delete(repository_alias).where(
        repository_alias.c.namespace == bindparam("namespace_"), repository_alias.c.path == bindparam("path_")
    )
)
_END_ALIASES: Final = Statement(delete(repository_alias).where(repository_alias.c.repository == bindparam("repository_")))
_OWNERLESS: Final = or_(
    namespace.c.kind == literal(DELETED),
    and_(namespace.c.kind == literal(USER), ~exists().where(account.c.namespace == namespace.c.id)),
)
_FORMER_NAMESPACES: Final = Statement(
    union_all(
        select(name_hold.c.name.label("former"), namespace.c.name, name_hold.c.held_at)
        .select_from(_HELD)
        .where(name_hold.c.name > bindparam("last")),
        select(namespace.c.name, literal(""), namespace.c.created_at).where(namespace.c.name > bindparam("last"), _OWNERLESS),
    )
    .order_by("former")
    .limit(bindparam("limit"))
)
_DELETE_TEAMS: Final = tuple(
    Statement(delete(table).where(table.c.team.in_(select(team.c.id).where(team.c.namespace == bindparam("namespace_")))))
    for table in (team_member, team_grant)
)
_DELETE_PEOPLE: Final = tuple(
    Statement(delete(table).where(table.c.namespace == bindparam("namespace_")))
    for table in (team, account_grant, member, credential, one_time_link, repository_alias)
)
_SET_DELETED: Final = Statement(update(namespace).where(namespace.c.id == bindparam("id_")).values(kind=literal(DELETED)))
_FORMER_REPOSITORIES: Final = Statement(
    select(repository_alias.c.path, repository.c.name, repository_alias.c.made_at)
    .select_from(repository_alias.join(repository, repository.c.id == repository_alias.c.repository))
    .where(repository_alias.c.namespace == bindparam("namespace"), repository_alias.c.path > bindparam("last"))
    .order_by(repository_alias.c.path)
    .limit(bindparam("limit"))
)
_NAMESPACE_ID: Final = Statement(select(namespace.c.id).where(namespace.c.name == bindparam("name")))


async def facts(db: Reader, name: str) -> Facts | None:
    """Return what a decision about a repository leans on, and the name under which it is stored; `name` may be a former one."""
    owner, _, path = name.partition("/")
    row = await db.one(_FACTS, name=name, namespace=owner, path=path)
    if row is None:
        return None
    _, stored, visibility, archived_at = row
    return Facts(visibility == _PUBLIC, archived=archived_at is not None, stored=stored, there=visibility is not None)


async def lock_home(tx: Transaction, name: str, *, alone: bool = False) -> Home | None:
    """Return a namespace, in which nobody else makes repositories or names them until the transaction ends.

    `alone` is for who gives it another name: then nothing else in it is made either.
    """
    row = await tx.one(_LOCK_HOME_ALONE if alone else _LOCK_HOME, name=name)
    if row is None:
        return None
    id_, found, kind, visibility, account_ = row
    ownerless = kind == DELETED or (kind == USER and account_ is None)
    return Home(id_, found, kind, public=visibility in (None, _PUBLIC), ownerless=ownerless)


async def claim(tx: Transaction, name: str) -> bool:
    """Keep a name from all others until the transaction ends; False when a namespace has it. Let it go by `drop_claim`."""
    return await tx.run(_CLAIM, name=name) > 0


async def drop_claim(tx: Transaction, name: str) -> None:
    """Let the name go that was claimed in this transaction: others still wait for its end."""
    await tx.run(_DROP_CLAIM, name_=name)


async def holder(db: Reader, name: str) -> int | None:
    """Return the id of the namespace that had this name before."""
    row = await db.one(_HOLDER, name=name)
    return row[0] if row else None


async def leads_to(db: Reader, name: str) -> str:
    """Return the name that whoever had this one before has now; '' where it is nobody's former name."""
    row = await db.one(_LEADS_TO, name=name)
    return row[0] if row else ""


async def count_held(db: Reader, namespace_: int) -> int:
    """Return how many former names are held for a namespace."""
    row = await db.one(_COUNT_HELD, namespace=namespace_)
    return row[0] if row else 0


async def held_by(db: Reader, name: str) -> list[str]:
    """Return the former names that are held for the namespace of that name."""
    found = await db.one(_NAMESPACE_ID, name=name)
    return [] if found is None else [row[0] for row in await db.all(_HELD_BY, namespace=found[0])]


async def hold(tx: Transaction, name: str, namespace_: int) -> None:
    """Hold a name for the namespace that had it."""
    await tx.run(_HOLD, name=name, namespace=namespace_)


async def unhold(tx: Transaction, name: str) -> bool:
    """Hold a name no longer; tell whether it was held."""
    return await tx.run(_UNHOLD, name_=name) > 0


async def call_namespace(tx: Transaction, namespace_: int, name: str) -> None:
    """Give a namespace a name that nobody has."""
    await tx.run(_CALL_NAMESPACE, id_=namespace_, name_=name)


async def free(tx: Transaction, namespace_: int) -> None:
    """Let others have the name of a namespace that is nobody's: its row stays, since what was in it may still name it."""
    await tx.run(_FREE, id_=namespace_, name_=f"{_NOBODYS}{namespace_}")


async def call_repositories(tx: Transaction, old: str, new: str) -> int:
    """Give all repositories of a namespace the names that they have when it is called `new`; return how many."""
    return await tx.run(_CALL_REPOSITORIES, new=new, skipped=len(old) + 2, **_inside(old))


async def longest_in(db: Reader, name: str) -> int:
    """Return how long the longest name of a repository in a namespace is."""
    row = await db.one(_LONGEST_IN, **_inside(name))
    return (row[0] if row else None) or 0


async def delete_organisation(tx: Transaction, namespace_: int) -> None:
    """Delete an organisation's teams, members and credentials; its name stays, so that nobody else is given it."""
    for statement in (*_DELETE_TEAMS, *_DELETE_PEOPLE):
        await tx.run(statement, namespace_=namespace_)
    await tx.run(_SET_DELETED, id_=namespace_)


async def is_empty(db: Reader, name: str) -> bool:
    """Tell whether a namespace has no repositories."""
    return await db.one(_ANY_IN, **_inside(name)) is None


async def alias(tx: Transaction, namespace_: int, path: str, repository_: int) -> None:
    """Let a name behind a namespace lead to a repository that had it."""
    await tx.run(_ALIAS, namespace=namespace_, path=path, repository=repository_)


async def end_alias(tx: Transaction, namespace_: int, path: str) -> bool:
    """Let a name behind a namespace lead nowhere; tell whether it led anywhere."""
    return await tx.run(_END_ALIAS, namespace_=namespace_, path_=path) > 0


async def end_aliases(tx: Transaction, repository_: int) -> None:
    """Let no name lead to a repository."""
    await tx.run(_END_ALIASES, repository_=repository_)


async def former_namespaces(db: Reader, last: str, limit: int) -> list[Former]:
    """Return the former names of namespaces behind `last`, at most `limit`; those of whoever was deleted lead nowhere."""
    return [Former(*row) for row in await db.all(_FORMER_NAMESPACES, last=last, limit=limit)]


async def former_repositories(db: Reader, namespace_: str, last: str, limit: int) -> Sequence[Former] | None:
    """Return the former names of repositories in a namespace whose paths come behind `last`; None without such a namespace."""
    found = await db.one(_NAMESPACE_ID, name=namespace_)
    if found is None:
        return None
    rows = await db.all(_FORMER_REPOSITORIES, namespace=found[0], last=last, limit=limit)
    return [Former(f"{namespace_}/{path}", *rest) for path, *rest in rows]


def _inside(name: str) -> dict[str, str]:
    return {"first": f"{name}/", "behind": f"{name}{_AFTER_SLASH}"}
