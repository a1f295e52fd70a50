"""Statements about all users and organisations, for those who administer the hub."""

from typing import Final

from sqlalchemy import bindparam, func, literal, select

from entrepot.domain.accounts.model import ORGANISATION, Language, Listed
from entrepot.domain.accounts.queries.accounts import begins_so
from entrepot.domain.accounts.tables import account, member, namespace
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import Statement

_MEMBERS: Final = select(func.count()).select_from(member).where(member.c.namespace == namespace.c.id).scalar_subquery()
_ORGANISATIONS: Final = Statement(
    select(namespace.c.name, namespace.c.created_at, _MEMBERS)
    .where(namespace.c.kind == literal(ORGANISATION), *begins_so())
    .order_by(namespace.c.name)
    .limit(bindparam("limit"))
)
_COUNT_USERS: Final = Statement(select(func.count()).select_from(select(account.c.id).limit(bindparam("most")).subquery()))
_COUNT_ORGANISATIONS: Final = Statement(
    select(func.count()).select_from(
        select(namespace.c.id).where(namespace.c.kind == literal(ORGANISATION)).limit(bindparam("most")).subquery()
    )
)

_ADMINISTRATORS: Final = Statement(
    select(account.c.email, account.c.language)
    .where(account.c.is_admin == 1, account.c.is_active == 1, account.c.email.is_not(None))
    .order_by(account.c.id)
    .limit(bindparam("limit"))
)


async def organisations(db: Reader, begins: str, last: str, limit: int) -> list[Listed]:
    """Return the organisations whose names begin so and come behind `last`, in byte order, at most `limit`."""
    found = await db.all(_ORGANISATIONS, begins=begins, behind=f"{begins}\x7f", last=last, limit=limit)
    return [Listed(*row) for row in found]


async def count_users(db: Reader, most: int) -> int:
    """Return how many users there are; no more than `most` are counted."""
    row = await db.one(_COUNT_USERS, most=most)
    return row[0] if row else 0


async def count_organisations(db: Reader, most: int) -> int:
    """Return how many organisations there are; no more than `most` are counted."""
    row = await db.one(_COUNT_ORGANISATIONS, most=most)
    return row[0] if row else 0


async def addresses_of_administrators(db: Reader, limit: int) -> list[tuple[str, Language]]:
    """Return where administrators are written to, and in which language; at most `limit`."""
    found = await db.all(_ADMINISTRATORS, limit=limit)
    return [(email, Language(language) if language else Language.ENGLISH) for email, language in found]
