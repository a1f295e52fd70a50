"""Statements about namespaces and repositories."""

from typing import Final

from sqlalchemy import bindparam, cast, exists, func, literal, literal_column, null, or_, select, update

from entrepot.domain.access.model import Facts, View
from entrepot.domain.accounts.model import Place
from entrepot.domain.accounts.tables import account, account_grant, member, namespace, second_factor
from entrepot.domain.registry.model import About, Located, Page
from entrepot.domain.registry.tables import blob, repository, repository_blob
from entrepot.platform.db.columns import BIG, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Statement
from entrepot.spec.oci.names import LIBRARY

_PUBLIC_FACTS: Final = Facts(public=True)
_PRIVATE_FACTS: Final = Facts(public=False)
_NOTED_EVERY_US: Final = 15_000_000  # a quarter of the shortest grace time

BURIED: Final = "~"  # no name that can be asked for begins with it
_PUBLIC: Final = "public"
_PRIVATE: Final = "private"
_DELETED: Final = "deleted"
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
# Of somebody: what lies where they or their owner have a place.
MINE: Final = or_(
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
_MY_NAMES: Final = Statement(_SEEN.where(MINE))
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
        visibility=bindparam("visibility"),
        created_at=now_us(),
        first_pushed_at=null(),
        uploaded_at=null(),
        archived_at=null(),
        description=null(),
        readme=null(),
    )
)
_IS_PRIVATE: Final = repository.c.visibility == literal_column("'private'")  # as the index says it
_COUNT_PRIVATE: Final = Statement(
    select(func.count()).select_from(repository).where(repository.c.namespace == bindparam("namespace"), _IS_PRIVATE)
)
_IS_PUBLIC: Final = Statement(
    select(repository.c.id).where(repository.c.id == bindparam("id"), repository.c.visibility == literal(_PUBLIC))
)
_INSIDE: Final = (repository.c.name > bindparam("first"), repository.c.name < bindparam("behind"))
_COUNTS: Final = Statement(
    select(repository.c.visibility, func.count()).select_from(repository).where(*_INSIDE).group_by(repository.c.visibility)
)
_BLOBS_INSIDE: Final = (
    select(blob.c.id, blob.c.size)
    .select_from(
        repository.join(repository_blob, repository_blob.c.repository == repository.c.id).join(
            blob, blob.c.id == repository_blob.c.blob
        )
    )
    .where(*_INSIDE)
    .distinct()
    .subquery()
)
_STORED: Final = Statement(select(cast(func.coalesce(func.sum(_BLOBS_INSIDE.c.size), 0), BIG)))
_NAMED: Final = repository.c.name == bindparam("name")
_LOCK_ID: Final = Statement(select(repository.c.id).where(_NAMED).with_for_update(read=True, key_share=True))
_LOCK: Final = Statement(select(repository.c.id, repository.c.namespace, repository.c.visibility).where(_NAMED).with_for_update())
_ABOUT: Final = Statement(
    select(
        repository.c.name,
        repository.c.visibility,
        repository.c.created_at,
        repository.c.first_pushed_at,
        repository.c.archived_at,
        func.coalesce(repository.c.description, ""),
        func.coalesce(repository.c.readme, ""),
    ).where(_NAMED)
)
_ONE: Final = repository.c.id == bindparam("id_")
_CALL: Final = Statement(update(repository).where(_ONE).values(namespace=bindparam("namespace_"), name=bindparam("name_")))
_ARCHIVE: Final = Statement(update(repository).where(_ONE, repository.c.archived_at.is_(None)).values(archived_at=now_us()))
_UNARCHIVE: Final = Statement(update(repository).where(_ONE).values(archived_at=null()))
_DESCRIBE: Final = Statement(update(repository).where(_ONE).values(description=bindparam("description_")))
_SET_README: Final = Statement(update(repository).where(_ONE).values(readme=bindparam("readme_")))
_BURY: Final = Statement(
    update(repository).where(_ONE).values(name=bindparam("name_"), visibility=literal(_DELETED), first_pushed_at=null())
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


async def repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id, also when nothing was pushed to it yet."""
    row = await db.one(_ID, name=name)
    return row[0] if row else None


async def pushed_repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id when a manifest was ever pushed to it."""
    row = await db.one(_PUSHED, name=name)
    return row[0] if row else None


async def lock_id(tx: Transaction, name: str) -> int | None:
    """Return the id of a repository, which keeps its name and is not deleted until the transaction ends."""
    row = await tx.one(_LOCK_ID, name=name)
    return row[0] if row else None


async def lock(tx: Transaction, name: str) -> Located | None:
    """Return where a repository is, locked: nobody else pushes to it or changes it until the transaction ends."""
    row = await tx.one(_LOCK, name=name)
    return Located(row[0], row[1], public=row[2] == _PUBLIC) if row else None


async def add_namespace(tx: Transaction, name: str, account_: int) -> bool:
    """Make an organisation, unless there is a namespace of that name; it belongs to the user with this id, 0 for nobody.

    Returns:
        Whether it was made.
    """
    is_new = await tx.run(_ADD_NAMESPACE, name=name)
    made = await tx.one(_NAMESPACE_ID, name=name)
    if is_new and made and account_ and name != LIBRARY:
        await tx.run(_OWN_NAMESPACE, namespace=made[0], account=account_)
    return bool(is_new)


async def add(tx: Transaction, namespace_: int, name: str, *, public: bool) -> int:
    """Return the id of a repository, which is made when it is not there."""
    await tx.run(_ADD, namespace=namespace_, name=name, visibility=_PUBLIC if public else _PRIVATE)
    made = await repository_id(tx, name)
    if made is None:
        raise AssertionError("a repository that was inserted is not there")
    return made


async def count_private(db: Reader, namespace_: int) -> int:
    """Return how many private repositories a namespace has."""
    row = await db.one(_COUNT_PRIVATE, namespace=namespace_)
    return row[0] if row else 0


async def is_public(db: Reader, repository_: int) -> bool:
    """Tell whether everybody sees a repository."""
    return await db.one(_IS_PUBLIC, id=repository_) is not None


async def usage(db: Reader, namespace_: str) -> tuple[int, int, int]:
    """Return how many public and private repositories a namespace has, and how many bytes their blobs have, each counted once."""
    inside = {"first": f"{namespace_}/", "behind": f"{namespace_}0"}  # a slash is followed by the digit 0
    counts = {row[0]: row[1] for row in await db.all(_COUNTS, **inside)}
    stored = await db.one(_STORED, **inside)
    return counts.get(_PUBLIC, 0), counts.get(_PRIVATE, 0), stored[0] if stored else 0


async def about(db: Reader, name: str) -> About | None:
    """Return what is known of a repository."""
    row = await db.one(_ABOUT, name=name)
    if row is None:
        return None
    stored, visibility, *rest = row
    return About(stored, visibility == _PUBLIC, *rest)


async def call(tx: Transaction, repository_: int, namespace_: int, name: str) -> None:
    """Let a repository be in a namespace, under a name that nothing has."""
    await tx.run(_CALL, id_=repository_, namespace_=namespace_, name_=name)


async def set_archived(tx: Transaction, repository_: int, *, archived: bool) -> None:
    """Let a repository only be read, or written again."""
    await tx.run(_ARCHIVE if archived else _UNARCHIVE, id_=repository_)


async def describe(tx: Transaction, repository_: int, description: str | None, readme: str | None) -> None:
    """Replace what a repository says of itself; None leaves it."""
    if description is not None:
        await tx.run(_DESCRIBE, id_=repository_, description_=description)
    if readme is not None:
        await tx.run(_SET_README, id_=repository_, readme_=readme)


async def bury(tx: Transaction, repository_: int) -> None:
    """Let a repository be found by nobody any more: its name is none that can be asked for, and what is in it goes later."""
    await tx.run(_BURY, id_=repository_, name_=f"{BURIED}{repository_}")


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
