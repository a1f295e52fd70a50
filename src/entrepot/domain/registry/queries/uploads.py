"""Statements about uploads. Leases are measured by the database's clock, whatever the nodes' clocks say."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, bindparam, case, delete, func, insert, literal, or_, select, update

from entrepot.domain.registry.model import Upload
from entrepot.domain.registry.tables import repository, upload
from entrepot.platform.db.columns import BIG, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement

_COLUMNS: Final = (
    upload.c.id,
    upload.c.repository,
    upload.c.handle,
    upload.c.algorithm,
    upload.c.received,
    upload.c.hash_state,
    upload.c.storage_state,
)
_IN_REPOSITORY: Final = (
    upload.c.id == bindparam("upload"),
    upload.c.repository == select(repository.c.id).where(repository.c.name == bindparam("repository_name")).scalar_subquery(),
    upload.c.expires_at > now_us(),
)
_HELD: Final = (upload.c.id == bindparam("upload"), upload.c.lease == bindparam("held"))
# An upload lives on as long as somebody works on it, and what it will name is protected as long.
_PROGRESS: Final = {"progressed_at": now_us(), "expires_at": now_us() + bindparam("lifetime_us")}
_OF_CLIENT: Final = (
    # No more rows are looked at than the limit: a refusal costs a flooded registry as little as it can. What has rested for long
    # expires soon, so that the index leaves it out; when it progressed decides where the lifetime was another one once.
    select(literal(1).label("open"))
    .where(
        upload.c.client == bindparam("client"),
        upload.c.expires_at > now_us() + bindparam("remaining_us", type_=BIG),
        upload.c.progressed_at > now_us() - bindparam("rested_us", type_=BIG),
    )
    .limit(bindparam("at_most"))
    .subquery()
)
_NEW: Final[dict[str, ColumnElement[Any]]] = {
    "id": bindparam("id", type_=upload.c.id.type),
    "repository": bindparam("repository", type_=upload.c.repository.type),
    "handle": bindparam("handle", type_=upload.c.handle.type),
    "algorithm": bindparam("algorithm", type_=upload.c.algorithm.type),
    "client": bindparam("client", type_=upload.c.client.type),
    "received": literal(0),
    "lease_until": literal(0),
    "created_at": now_us(),
    "progressed_at": now_us(),
    "expires_at": now_us() + bindparam("lifetime_us"),
}
_ADD: Final = Statement(
    insert(upload).from_select(
        list(_NEW),
        select(*_NEW.values()).where(
            or_(
                bindparam("at_most", type_=BIG) == literal(0),
                select(func.count()).select_from(_OF_CLIENT).scalar_subquery() < bindparam("at_most"),
            )
        ),
    )
)
_FIND: Final = Statement(select(*_COLUMNS, case((upload.c.lease.is_(None), 0), else_=1)).where(*_IN_REPOSITORY))
_IS_HELD: Final = Statement(select(upload.c.id).where(upload.c.id == bindparam("upload"), upload.c.lease_until > now_us()))
_TAKE: Final = Statement(
    update(upload)
    .where(*_IN_REPOSITORY, upload.c.lease_until < now_us())
    .values(lease=bindparam("token"), lease_until=now_us() + bindparam("lease_us"), **_PROGRESS)
    .returning(*_COLUMNS)
)
_RENEW: Final = Statement(update(upload).where(*_HELD).values(lease_until=now_us() + bindparam("lease_us"), **_PROGRESS))
_RELEASE: Final = Statement(update(upload).where(*_HELD).values(lease_until=0))
_ADVANCE: Final = Statement(
    update(upload)
    .where(*_HELD)
    .values(
        received=bindparam("so_far"),
        hash_state=bindparam("state"),
        storage_state=bindparam("stored"),
        lease=None,
        lease_until=0,
        **_PROGRESS,
    )
)
_END: Final = Statement(delete(upload).where(*_HELD))
_HANDLES: Final = ListStatement(
    lambda values: select(upload.c.handle).where(upload.c.handle.in_(values), upload.c.expires_at > now_us())
)

_COUNT_OPEN: Final = Statement(select(func.count()).select_from(upload).where(upload.c.expires_at > now_us()))


class Times(msgspec.Struct, frozen=True):
    """How long a lease and an upload last from now on, in microseconds."""

    lease_us: int
    lifetime_us: int


class Owner(msgspec.Struct, frozen=True):
    """Whose upload it is: the address by which a client's uploads are counted, and how many it may have; 0 for no limit.

    One on which nothing happened for `rested_us` does not count.
    """

    client: str
    at_most: int
    rested_us: int


class Progress(msgspec.Struct, frozen=True):
    """What the holder of the lease `token` has done: `received` bytes are durable, and `state` has seen just them.

    `stored` is what the store said of them.
    """

    upload: str
    token: str
    received: int
    state: bytes | None
    stored: str | None = None


async def add_upload(tx: Transaction, upload_: Upload, lifetime_us: int, owner: Owner) -> bool:
    """Begin an upload; its handle is recorded before a byte is stored under it. False when the client has too many open.

    It is one statement that counts and adds, so that the limit costs no second one. On PostgreSQL those that begin in the
    same moment do not see each other: there may be as many too many as transactions run at a time.
    """
    added = await tx.run(
        _ADD,
        id=upload_.id,
        repository=upload_.repository,
        handle=upload_.handle,
        algorithm=upload_.algorithm,
        lifetime_us=lifetime_us,
        client=owner.client,
        at_most=owner.at_most,
        rested_us=owner.rested_us,
        remaining_us=max(lifetime_us - owner.rested_us, 0),
    )
    return added > 0


async def find(db: Reader, name: str, id_: str) -> Upload | None:
    """Return the repository's upload."""
    row = await db.one(_FIND, upload=id_, repository_name=name)
    return msgspec.structs.replace(Upload(*row[:-1]), held=bool(row[-1])) if row else None


async def is_held(db: Reader, id_: str) -> bool:
    """Tell whether a request works on the upload."""
    return await db.one(_IS_HELD, upload=id_) is not None


async def take(tx: Transaction, name: str, id_: str, token: str, times: Times) -> Upload | None:
    """Take the upload; None when there is none, or another holds it."""
    row = await tx.one(
        _TAKE, upload=id_, repository_name=name, token=token, lease_us=times.lease_us, lifetime_us=times.lifetime_us
    )
    return Upload(*row) if row else None


async def renew(tx: Transaction, id_: str, token: str, times: Times) -> bool:
    """Hold the upload for longer; False when it is not held any more."""
    return await tx.run(_RENEW, upload=id_, held=token, lease_us=times.lease_us, lifetime_us=times.lifetime_us) > 0


async def release(tx: Transaction, id_: str, token: str) -> None:
    """Let others take the upload, who see that it was not given back in good order: something may still be on its way."""
    await tx.run(_RELEASE, upload=id_, held=token)


async def advance(tx: Transaction, progress: Progress, lifetime_us: int) -> bool:
    """Record progress and let others take the upload; False when it was not held any more."""
    changed = await tx.run(
        _ADVANCE,
        upload=progress.upload,
        held=progress.token,
        so_far=progress.received,
        state=progress.state,
        stored=progress.stored,
        lifetime_us=lifetime_us,
    )
    return changed > 0


async def end(tx: Transaction, id_: str, token: str) -> bool:
    """Delete the upload's row; False when it was not held any more."""
    return await tx.run(_END, upload=id_, held=token) > 0


async def count_open(db: Reader) -> int:
    """Return how many uploads were begun and have neither ended nor expired."""
    row = await db.one(_COUNT_OPEN)
    return int(row[0]) if row else 0


async def known_handles(db: Reader, handles: Sequence[str]) -> set[str]:
    """Return those of the handles that belong to an upload."""
    return {row[0] for row in await db.all_of(_HANDLES, handles)}
