"""Statements about namespaces and repositories."""

from typing import Final

from sqlalchemy import bindparam, literal, null, or_, select, update

from entrepot.domain.registry.model import Page
from entrepot.domain.registry.queries.inserting import insert_unless_there
from entrepot.domain.registry.tables import namespace, repository
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement
from entrepot.spec.oci.names import RepositoryName

_NOTED_EVERY_US: Final = 15_000_000  # a quarter of the shortest grace time

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
_ADD_NAMESPACE: Final = Statement(
    insert_unless_there(namespace, [namespace.c.name], name=bindparam("name"), kind=literal("organisation"), created_at=now_us())
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


async def repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id, also when nothing was pushed to it yet."""
    row = await db.one(_ID, name=name)
    return row[0] if row else None


async def pushed_repository_id(db: Reader, name: str) -> int | None:
    """Return the repository's id when a manifest was ever pushed to it."""
    row = await db.one(_PUSHED, name=name)
    return row[0] if row else None


async def repository_for_push(tx: Transaction, name: RepositoryName) -> int:
    """Return the repository's id; make it, and its namespace, when they are not there."""
    found = await repository_id(tx, name.stored)
    if found is not None:
        return found
    await tx.run(_ADD_NAMESPACE, name=name.namespace)
    owner = await tx.one(_NAMESPACE_ID, name=name.namespace)
    await tx.run(_ADD, namespace=owner[0] if owner else None, name=name.stored)
    made = await repository_id(tx, name.stored)
    if made is None:
        raise AssertionError("a repository that was inserted is not there")
    return made


async def mark_pushed(tx: Transaction, repository_: int) -> None:
    """Note that the repository has held a manifest: from now on it is listed."""
    await tx.run(_MARK_PUSHED, id_=repository_)


async def note_upload(tx: Transaction, repository_: int) -> None:
    """Note that an upload to the repository has ended: what its push was told of before is in use."""
    await tx.run(_NOTE_UPLOAD, id_=repository_)


async def names_after(db: Reader, last: str, limit: int) -> Page:
    """Return the names of repositories behind `last`, in byte order, at most `limit`."""
    rows = await db.all(_NAMES, last=last, limit=limit + 1)
    return Page([row[0] for row in rows[:limit]], more=len(rows) > limit)
