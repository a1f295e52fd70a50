"""Statements about pulls: how many of a repository, and whose in the last hours."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, case, cast, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.tables import credential
from entrepot.domain.registry.model import Daily, Day, Pulling, RecentPulls
from entrepot.domain.registry.tables import pull_day, pull_leader, pull_total, recent_pull, repository, tag_pull
from entrepot.platform.db.columns import BIG, EXACT_TEXT, now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import ListStatement, Statement

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
_OF_NAME: Final = repository.c.name == bindparam("name")
_DAILY: Final = insert_or_replace(pull_day).from_select(
    ["repository", "day", "digest", "who", "pulls"],
    select(
        repository.c.id,
        bindparam("day", type_=BIG),
        bindparam("digest", type_=EXACT_TEXT),
        bindparam("who", type_=EXACT_TEXT),
        bindparam("count", type_=BIG),
    ).where(_OF_NAME),
)
_ADD_DAILY: Final = Statement(
    _DAILY.on_conflict_do_update(
        index_elements=list(pull_day.primary_key.columns), set_={"pulls": pull_day.c.pulls + _DAILY.excluded.pulls}
    )
)
_TAGGED: Final = insert_or_replace(tag_pull).from_select(
    ["repository", "tag", "pulls", "pulled_at"],
    select(repository.c.id, bindparam("tag", type_=EXACT_TEXT), bindparam("count", type_=BIG), bindparam("at", type_=BIG)).where(
        _OF_NAME
    ),
)
_LATER_TAG: Final = _TAGGED.excluded.pulled_at > tag_pull.c.pulled_at
_ADD_TAGGED: Final = Statement(
    _TAGGED.on_conflict_do_update(
        index_elements=list(tag_pull.primary_key.columns),
        set_={
            "pulls": tag_pull.c.pulls + _TAGGED.excluded.pulls,
            "pulled_at": case((_LATER_TAG, _TAGGED.excluded.pulled_at), else_=tag_pull.c.pulled_at),
        },
    )
)
_SINCE: Final = (pull_day.c.repository == bindparam("repository"), pull_day.c.day >= bindparam("first"))
_SUM: Final = cast(func.sum(pull_day.c.pulls), BIG)
_DAYS: Final = Statement(
    select(pull_day.c.day, pull_day.c.who, _SUM)
    .where(*_SINCE)
    .group_by(pull_day.c.day, pull_day.c.who)
    .order_by(pull_day.c.day, pull_day.c.who)
)
_IMAGES: Final = Statement(
    select(pull_day.c.digest, _SUM)
    .where(*_SINCE)
    .group_by(pull_day.c.digest)
    .order_by(_SUM.desc(), pull_day.c.digest)
    .limit(bindparam("limit"))
)
_RISING: Final = (
    select(pull_day.c.repository, _SUM)
    .select_from(pull_day.join(repository, repository.c.id == pull_day.c.repository))
    .where(pull_day.c.day >= bindparam("first"), repository.c.visibility == literal("public"))
    .group_by(pull_day.c.repository)
    .order_by(_SUM.desc(), pull_day.c.repository)
    .limit(bindparam("limit"))
)
_LEAD: Final = Statement(_RISING)
_CLEAR_LEADERS: Final = Statement(delete(pull_leader))
_ADD_LEADER: Final = Statement(
    insert_or_replace(pull_leader).values(repository=bindparam("repository"), place=bindparam("place"), pulls=bindparam("pulls"))
)
_LEADERS: Final = Statement(
    select(pull_leader.c.repository, pull_leader.c.pulls).order_by(pull_leader.c.place).limit(bindparam("limit"))
)
_TAG_PULLS: Final = ListStatement(
    lambda tags: select(tag_pull.c.tag, tag_pull.c.pulls, tag_pull.c.pulled_at).where(
        tag_pull.c.repository == bindparam("repository"), tag_pull.c.tag.in_(tags)
    )
)
_FORGET_DAYS: Final = Statement(delete(pull_day).where(pull_day.c.day < bindparam("day_")))
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


async def add_daily(tx: Transaction, daily: Daily, count: int) -> None:
    """Add pulls of an image in a day; of a repository that is no longer there they are not counted."""
    await tx.run(_ADD_DAILY, name=daily.repository, day=daily.day, digest=daily.digest, who=daily.who, count=count)


async def add_tagged(tx: Transaction, name: str, tag: str, count: int, at_us: int) -> None:
    """Add what a tag was asked for, the last time then."""
    await tx.run(_ADD_TAGGED, name=name, tag=tag, count=count, at=at_us)


async def days(db: Reader, repository_: int, first: int) -> list[Day]:
    """Return the pulls of a repository from a day on, by day and by whom, in order."""
    return [Day(row[0], row[1], int(row[2])) for row in await db.all(_DAYS, repository=repository_, first=first)]


async def of_images(db: Reader, repository_: int, first: int, limit: int) -> list[tuple[str, int]]:
    """Return the digests of a repository that were pulled most from a day on, and how often."""
    return [(row[0], int(row[1])) for row in await db.all(_IMAGES, repository=repository_, first=first, limit=limit)]


async def most_pulled(db: Reader, first: int, limit: int) -> list[tuple[int, int]]:
    """Return the public repositories that were pulled most from a day on, by id, and how often: all pulls are looked through."""
    return [(row[0], int(row[1])) for row in await db.all(_LEAD, first=first, limit=limit)]


async def set_leaders(tx: Transaction, leaders: Sequence[tuple[int, int]]) -> None:
    """Note which repositories were pulled most lately."""
    await tx.run(_CLEAR_LEADERS)
    for place, (repository_, count) in enumerate(leaders):
        await tx.run(_ADD_LEADER, repository=repository_, place=place, pulls=count)


async def leaders(db: Reader, limit: int) -> list[tuple[int, int]]:
    """Return which repositories were pulled most lately, as it was noted last, and how often."""
    return [(row[0], row[1]) for row in await db.all(_LEADERS, limit=limit)]


async def of_tags(db: Reader, repository_: int, tags: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how often tags were asked for, and when last (microseconds UTC)."""
    return {row[0]: (row[1], row[2]) for row in await db.all_of(_TAG_PULLS, tags, repository=repository_)}


async def forget_days(tx: Transaction, before: int) -> int:
    """Delete the pulls of the days before one; return how many rows."""
    return await tx.run(_FORGET_DAYS, day_=before)


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
