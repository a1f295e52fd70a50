"""Statements about namespaces and repositories."""

from typing import Final

from sqlalchemy import bindparam, exists, literal, null, or_, select, update

from entrepot.domain.access.model import Actor, Facts, View
from entrepot.domain.accounts.model import Place
from entrepot.domain.accounts.tables import account, account_grant, member, namespace, second_factor
from entrepot.domain.registry.model import Page
from entrepot.domain.registry.tables import repository
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement
from entrepot.spec.oci.names import LIBRARY, RepositoryName

_PUBLIC_FACTS: Final = Facts(public=True)
_PRIVATE_FACTS: Final = Facts(public=False)
_NOTED_EVERY_US: Final = 15_000_000  # a quarter of the shortest grace time

_PUBLIC: Final = "public"
_PRIVATE: Final = "private"
_FACTS: Final = Statement(select(repository.c.visibility).where(repository.c.name == bindparam("name")))
_ID: Final = Statement(select(repository.c.id).where(repository.c.name == bindparam("name")))
_PUSHED: Final = Statement(
    select(repository.c.id).where(repository.c.name == bindparam("name"), repository.c.first_pushed_at.is_not(None))
)
_NAMES: Final = Statement(
    select(repository.c.name)
    .where(repository.c.name > bindparam("last"), repository.c.first_pushed_at.is_not(None))
    .order_by(repository.c.name)
    .limit(bindparam("limit"))
)
# An organisation that asks for a second factor is nothing to whoever has none (`roles` in domain/access).
_OPEN_TO: Final = namespace.c.second_factor_required_at.is_(None) | exists().where(
    second_factor.c.account == bindparam("account"), second_factor.c.confirmed_at.is_not(None)
)
_MINE: Final = or_(
    repository.c.namespace.in_(select(account.c.namespace).where(account.c.id == bindparam("account"))),
    repository.c.namespace.in_(
        select(member.c.namespace)
        .join(namespace, namespace.c.id == member.c.namespace)
        .where(member.c.account == bindparam("account"), _OPEN_TO)
    ),
    repository.c.namespace.in_(
        select(account_grant.c.namespace)
        .join(namespace, namespace.c.id == account_grant.c.namespace)
        .where(account_grant.c.account == bindparam("account"), _OPEN_TO)
    ),
    repository.c.namespace.in_(select(namespace.c.id).where(namespace.c.name == bindparam("owner"))),
)
_SEEN: Final = (
    select(repository.c.name, repository.c.visibility)
    .where(repository.c.name > bindparam("last"), repository.c.first_pushed_at.is_not(None))
    .order_by(repository.c.name)
    .limit(bindparam("limit"))
)
_PUBLIC_NAMES: Final = Statement(_SEEN.where(repository.c.visibility == literal(_PUBLIC)))
_MY_NAMES: Final = Statement(_SEEN.where(_MINE))
_ADD_NAMESPACE: Final = Statement(
    insert_unless_there(namespace, [namespace.c.name], name=bindparam("name"), kind=literal("organisation"), created_at=now_us())
)
_OWN_NAMESPACE: Final = Statement(
    insert_unless_there(
        member,
        [member.c.namespace, member.c.account],
        namespace=bindparam("namespace"),
        account=bindparam("account"),
        role=literal(Place.OWNER.value),
        joined_at=now_us(),
    )
)
_NAMESPACE_ID: Final = Statement(select(namespace.c.id).where(namespace.c.name == bindparam("name")))
_ADD: Final = Statement(
    insert_unless_there(
        repository,
        [repository.c.name],
        namespace=bindparam("namespace"),
        name=bindparam("name"),
        visibility=literal("public"),
        created_at=now_us(),
        first_pushed_at=null(),
        uploaded_at=null(),
    )
)
_SET_VISIBILITY: Final = Statement(
    update(repository).where(repository.c.id == bindparam("id_")).values(visibility=bindparam("visibility_"))
)
_MARK_PUSHED: Final = Statement(
    update(repository)
    .where(repository.c.id == bindparam("id_"), repository.c.first_pushed_at.is_(None))
    .values(first_pushed_at=now_us())
)

_NOTE_UPLOAD: Final = Statement(
    update(repository)
    .where(
        repository.c.id == bindparam("id_"),
        or_(repository.c.uploaded_at.is_(None), repository.c.uploaded_at < now_us() - _NOTED_EVERY_US),
    )
    .values(uploaded_at=now_us())
)


def facts_of(visibility: str) -> Facts:
    """Return what a decision leans on, of a repository's row."""
    return _PUBLIC_FACTS if visibility == _PUBLIC else _PRIVATE_FACTS


async def facts(db: Reader, name: str) -> Facts | None:
    """Return what a decision about a repository leans on; None when there is none of that name."""
    row = await db.one(_FACTS, name=name)
    return facts_of(row[0]) if row else None


async def repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id, also when nothing was pushed to it yet."""
    row = await db.one(_ID, name=name)
    return row[0] if row else None


async def pushed_repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id when a manifest was ever pushed to it."""
    row = await db.one(_PUSHED, name=name)
    return row[0] if row else None


async def repository_for_push(tx: Transaction, name: RepositoryName, actor: Actor) -> int:
    """Return the repository's id; make it, and its namespace, whose owner is the actor then, when they are not there."""
    found = await repository_id(tx, name.stored)
    if found is not None:
        return found
    is_new = await tx.run(_ADD_NAMESPACE, name=name.namespace)
    owner = await tx.one(_NAMESPACE_ID, name=name.namespace)
    if is_new and owner and actor.account and name.namespace != LIBRARY:
        await tx.run(_OWN_NAMESPACE, namespace=owner[0], account=actor.account)
    await tx.run(_ADD, namespace=owner[0] if owner else None, name=name.stored)
    made = await repository_id(tx, name.stored)
    if made is None:
        raise AssertionError("a repository that was inserted is not there")
    return made


async def set_visibility(tx: Transaction, repository_: int, *, public: bool) -> None:
    """Let everybody see a repository, or not."""
    await tx.run(_SET_VISIBILITY, id_=repository_, visibility_=_PUBLIC if public else _PRIVATE)


async def mark_pushed(tx: Transaction, repository_: int) -> None:
    """Note that the repository has held a manifest: from now on it is listed."""
    await tx.run(_MARK_PUSHED, id_=repository_)


async def note_upload(tx: Transaction, repository_: int) -> None:
    """Note that an upload to the repository has ended: what its push was told of before is in use."""
    await tx.run(_NOTE_UPLOAD, id_=repository_)


async def names_seen(db: Reader, view: View, last: str, limit: int) -> list[tuple[str, bool]]:
    """Return names behind `last` that may be seen, in byte order, at most `limit`; those that are not public are to be asked for.

    A member of a team is a member of the organisation, so that what its teams are granted is among these.
    """
    public = await db.all(_PUBLIC_NAMES, last=last, limit=limit) if view.public else []
    mine = await db.all(_MY_NAMES, account=view.account, owner=view.owner, last=last, limit=limit) if view.is_somebody else []
    return sorted({(row[0], row[1] == _PUBLIC) for row in (*public, *mine)})[:limit]


async def names_after(db: Reader, last: str, limit: int) -> Page:
    """Return the names of repositories behind `last`, in byte order, at most `limit`."""
    rows = await db.all(_NAMES, last=last, limit=limit + 1)
    return Page([row[0] for row in rows[:limit]], more=len(rows) > limit)
