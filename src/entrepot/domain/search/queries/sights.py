"""Statements about which repositories somebody may see that are not public."""

from typing import Final

from sqlalchemy import bindparam, literal_column, or_, select

from entrepot.domain.accounts.tables import account, account_grant, member, namespace
from entrepot.domain.registry.tables import repository
from entrepot.platform.db.database import Reader
from entrepot.platform.db.statements import Statement

# Where somebody has any place; what they may do there is decided by the rule.
_NAMESPACES: Final = Statement(
    select(namespace.c.id, namespace.c.name)
    .where(
        or_(
            namespace.c.id.in_(select(account.c.namespace).where(account.c.id == bindparam("account"))),
            namespace.c.id.in_(select(member.c.namespace).where(member.c.account == bindparam("account"))),
            namespace.c.id.in_(select(account_grant.c.namespace).where(account_grant.c.account == bindparam("account"))),
            namespace.c.name == bindparam("owner"),
        )
    )
    .order_by(namespace.c.id)
    .limit(bindparam("limit"))
)
_PRIVATE: Final = Statement(
    select(repository.c.id, repository.c.name)
    .where(
        repository.c.namespace == bindparam("namespace"),
        repository.c.visibility == literal_column("'private'"),  # as the index says it
        repository.c.first_pushed_at.is_not(None),
    )
    .order_by(repository.c.id)
    .limit(bindparam("limit"))
)


async def namespaces(db: Reader, account_: int, owner: str, limit: int) -> list[tuple[int, str]]:
    """Return ids and names of the namespaces in which an account, or an organisation's credential, has any place."""
    return [(row[0], row[1]) for row in await db.all(_NAMESPACES, account=account_, owner=owner, limit=limit)]


async def private(db: Reader, namespace_: int, limit: int) -> list[tuple[int, str]]:
    """Return ids and names of the private repositories of a namespace."""
    return [(row[0], row[1]) for row in await db.all(_PRIVATE, namespace=namespace_, limit=limit)]
