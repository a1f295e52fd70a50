"""Statements about stars. Whoever gives one, and whoever takes one away, changes the sum in the same transaction."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from entrepot.domain.catalogue.tables import star, star_total
from entrepot.domain.registry.tables import repository
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import ListStatement, Statement

_ONE: Final = (star.c.account == bindparam("account_"), star.c.repository == bindparam("repository_"))
_GIVE: Final = Statement(
    insert_unless_there(
        star,
        [star.c.account, star.c.repository],
        account=bindparam("account"),
        repository=bindparam("repository"),
        given_at=now_us(),
    )
)
_TAKE: Final = Statement(delete(star).where(*_ONE))
_HAS: Final = Statement(select(star.c.given_at).where(*_ONE))
_MORE_ROW: Final = insert(star_total).values(repository=bindparam("repository"), stars=literal(1))
_MORE: Final = Statement(
    _MORE_ROW.on_conflict_do_update(index_elements=[star_total.c.repository], set_={"stars": star_total.c.stars + 1})
)
_LESS: Final = Statement(
    update(star_total).where(star_total.c.repository == bindparam("repository_")).values(stars=star_total.c.stars - 1)
)
_TOTALS: Final = ListStatement(
    lambda values: select(star_total.c.repository, star_total.c.stars).where(star_total.c.repository.in_(values))
)
_GIVEN: Final = Statement(
    select(repository.c.name, star.c.given_at)
    .select_from(star.join(repository, repository.c.id == star.c.repository))
    .where(star.c.account == bindparam("account"), star.c.given_at < bindparam("before"))
    .order_by(star.c.given_at.desc(), repository.c.name)
    .limit(bindparam("limit"))
)
_SUM: Final = select(func.count()).select_from(star).where(star.c.repository == star_total.c.repository).scalar_subquery()
_WRONG: Final = Statement(
    select(star_total.c.repository)
    .where(star_total.c.repository > bindparam("after"), star_total.c.stars != _SUM)
    .order_by(star_total.c.repository)
    .limit(bindparam("limit"))
)
_RECOUNT: Final = Statement(update(star_total).where(star_total.c.repository == bindparam("repository_")).values(stars=_SUM))


async def give(tx: Transaction, account: int, repository_: int) -> bool:
    """Give a repository a star; False when it had one of that account's."""
    if not await tx.run(_GIVE, account=account, repository=repository_):
        return False
    await tx.run(_MORE, repository=repository_)
    return True


async def take(tx: Transaction, account: int, repository_: int) -> bool:
    """Take a star away; False when there was none."""
    if not await tx.run(_TAKE, account_=account, repository_=repository_):
        return False
    await tx.run(_LESS, repository_=repository_)
    return True


async def has(db: Reader, account: int, repository_: int) -> bool:
    """Tell whether an account gave a repository a star."""
    return await db.one(_HAS, account_=account, repository_=repository_) is not None


async def totals(db: Reader, repositories: Sequence[int]) -> dict[int, int]:
    """Return how many stars repositories have."""
    return {row[0]: row[1] for row in await db.all_of(_TOTALS, repositories)}


async def given(db: Reader, account: int, before: int, limit: int) -> list[tuple[str, int]]:
    """Return the names of repositories that an account gave stars before that time, and when, the last first."""
    return [(row[0], row[1]) for row in await db.all(_GIVEN, account=account, before=before, limit=limit)]


async def miscounted(db: Reader, after: int, limit: int) -> list[int]:
    """Return repositories whose sum is none any more, because of accounts that were deleted."""
    return [row[0] for row in await db.all(_WRONG, after=after, limit=limit)]


async def recount(tx: Transaction, repository_: int) -> None:
    """Count the stars of a repository."""
    await tx.run(_RECOUNT, repository_=repository_)
