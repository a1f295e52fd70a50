"""Statements about pulls: how many of a repository, and whose in the last hours."""

from typing import Final

from sqlalchemy import bindparam, case, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.tables import credential
from entrepot.domain.registry.model import Pulling, RecentPulls
from entrepot.domain.registry.tables import pull_total, recent_pull, repository
from entrepot.platform.db.columns import BIG, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_COUNTED: Final = insert_or_replace(pull_total).from_select(
    ["repository", "pulls", "pulled_at"],
    select(repository.c.id, bindparam("count", type_=BIG), bindparam("at", type_=BIG)).where(
        repository.c.name == bindparam("name")
    ),
)
_LATER: Final = _COUNTED.excluded.pulled_at > pull_total.c.pulled_at
_ADD_TOTAL: Final = Statement(
    _COUNTED.on_conflict_do_update(
        index_elements=[pull_total.c.repository],
        set_={
            "pulls": pull_total.c.pulls + _COUNTED.excluded.pulls,
            "pulled_at": case((_LATER, _COUNTED.excluded.pulled_at), else_=pull_total.c.pulled_at),
        },
    )
)
_PULLED: Final = insert_or_replace(recent_pull).values(
    owner=bindparam("owner"),
    began_at=bindparam("began_at"),
    source=bindparam("source"),
    credential=bindparam("credential"),
    repository=bindparam("repository"),
    pulls=bindparam("count"),
)
_ADD_RECENT: Final = Statement(
    _PULLED.on_conflict_do_update(
        index_elements=list(recent_pull.primary_key.columns),
        set_={"pulls": recent_pull.c.pulls + _PULLED.excluded.pulls},
    )
)
_WITHIN: Final = (recent_pull.c.owner == bindparam("owner"), recent_pull.c.began_at > now_us() - bindparam("age_us", type_=BIG))
_RECENT: Final = Statement(
    select(
        recent_pull.c.began_at,
        recent_pull.c.source,
        recent_pull.c.credential,
        credential.c.name,
        recent_pull.c.repository,
        recent_pull.c.pulls,
    )
    .select_from(recent_pull.outerjoin(credential, credential.c.id == recent_pull.c.credential))
    .where(*_WITHIN)
    .order_by(recent_pull.c.began_at.desc(), recent_pull.c.repository, recent_pull.c.source, recent_pull.c.credential)
    .limit(bindparam("limit"))
)
_COUNT: Final = Statement(select(cast(func.coalesce(func.sum(recent_pull.c.pulls), 0), BIG)).where(*_WITHIN))
_FORGET_OWNER: Final = Statement(delete(recent_pull).where(recent_pull.c.owner == bindparam("owner_")))
_CALL_OWNER: Final = Statement(
    update(recent_pull).where(recent_pull.c.owner == bindparam("owner_")).values(owner=bindparam("new"))
)
_FORGET: Final = Statement(delete(recent_pull).where(recent_pull.c.began_at < now_us() - bindparam("age_us_", type_=BIG)))


async def add_total(tx: Transaction, name: str, count: int, at_us: int) -> None:
    """Add pulls of a repository, the last of them then; of one that is no longer there they are not counted."""
    await tx.run(_ADD_TOTAL, name=name, count=count, at=at_us)


async def add_recent(tx: Transaction, pulling: Pulling, count: int) -> None:
    """Add somebody's pulls in a span of time."""
    await tx.run(
        _ADD_RECENT,
        owner=pulling.owner,
        began_at=pulling.began_at,
        source=pulling.source,
        credential=pulling.credential,
        repository=pulling.repository,
        count=count,
    )


async def recent(db: Reader, owner: str, age_us: int, limit: int) -> list[RecentPulls]:
    """Return somebody's pulls of that age, newest first, at most `limit` rows."""
    return [RecentPulls(*row) for row in await db.all(_RECENT, owner=owner, age_us=age_us, limit=limit)]


async def count(db: Reader, owner: str, age_us: int) -> int:
    """Return how many pulls of that age somebody has."""
    row = await db.one(_COUNT, owner=owner, age_us=age_us)
    return int(row[0]) if row else 0


async def call_owner(tx: Transaction, old: str, new: str) -> None:
    """Give the pulls of a namespace to it under the name that it has from now on."""
    await tx.run(_FORGET_OWNER, owner_=new)
    await tx.run(_CALL_OWNER, owner_=old, new=new)


async def forget_owner(tx: Transaction, owner: str) -> None:
    """Delete what was pulled in a name."""
    await tx.run(_FORGET_OWNER, owner_=owner)


async def forget(tx: Transaction, age_us: int) -> int:
    """Delete what is older; return how many rows."""
    return await tx.run(_FORGET, age_us_=age_us)
