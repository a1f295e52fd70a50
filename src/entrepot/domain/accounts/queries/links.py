"""Statements about links that work once."""

from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, literal, select, update

from entrepot.domain.accounts.model import INVITATIONS, Link, Place, Purpose
from entrepot.domain.accounts.tables import namespace, one_time_link
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_SEEN: Final = (
    one_time_link.c.id,
    one_time_link.c.purpose,
    one_time_link.c.account,
    one_time_link.c.namespace,
    namespace.c.name,
    one_time_link.c.email,
    one_time_link.c.role,
    one_time_link.c.is_mailed,
    one_time_link.c.makes_account,
    one_time_link.c.created_by,
    one_time_link.c.created_at,
    one_time_link.c.expires_at,
    one_time_link.c.used_at,
    one_time_link.c.revoked_at,
    one_time_link.c.inviter,
)
_ALL: Final = select(*_SEEN).select_from(one_time_link.outerjoin(namespace, namespace.c.id == one_time_link.c.namespace))
_HOLDS: Final = and_(
    one_time_link.c.used_at.is_(None), one_time_link.c.revoked_at.is_(None), one_time_link.c.expires_at > now_us()
)
_BY_ID: Final = Statement(_ALL.where(one_time_link.c.id == bindparam("id"), _HOLDS))
_BY_SECRET: Final = Statement(_ALL.where(one_time_link.c.secret == bindparam("secret"), _HOLDS))
_IS_INVITATION: Final = one_time_link.c.purpose.in_([literal(each.value) for each in INVITATIONS])
_INVITATIONS: Final = Statement(
    _ALL.where(_IS_INVITATION, _HOLDS).order_by(one_time_link.c.created_at.desc(), one_time_link.c.id).limit(bindparam("limit"))
)
_INTO: Final = Statement(
    _ALL.where(one_time_link.c.namespace == bindparam("organisation"), _IS_INVITATION, _HOLDS)
    .order_by(one_time_link.c.created_at.desc(), one_time_link.c.id)
    .limit(bindparam("limit"))
)
_OF_ACCOUNT: Final = Statement(
    _ALL.where(one_time_link.c.account == bindparam("account")).order_by(one_time_link.c.created_at.desc(), one_time_link.c.id)
)
_ADD: Final = Statement(
    insert(one_time_link).values(
        id=bindparam("id"),
        purpose=bindparam("purpose"),
        secret=bindparam("secret"),
        account=bindparam("account"),
        namespace=bindparam("namespace"),
        email=bindparam("email"),
        role=bindparam("role"),
        is_mailed=bindparam("is_mailed"),
        makes_account=bindparam("makes_account"),
        created_by=bindparam("created_by"),
        created_at=now_us(),
        expires_at=now_us() + bindparam("lifetime_us"),
        used_at=None,
        revoked_at=None,
        inviter=bindparam("inviter"),
    )
)
_OURS: Final = one_time_link.c.id == bindparam("id_")
_DRAW: Final = Statement(update(one_time_link).where(_OURS, _HOLDS).values(secret=bindparam("secret_")))
_USE: Final = Statement(update(one_time_link).where(_OURS, _HOLDS).values(used_at=now_us()))
_REVOKE: Final = Statement(update(one_time_link).where(_OURS, _IS_INVITATION, _HOLDS).values(revoked_at=now_us()))
_REVOKE_ALL: Final = Statement(
    update(one_time_link)
    .where(one_time_link.c.account == bindparam("account_"), one_time_link.c.purpose == bindparam("purpose_"), _HOLDS)
    .values(revoked_at=now_us())
)
_REVOKE_MADE_BY: Final = Statement(
    update(one_time_link)
    .where(one_time_link.c.inviter == bindparam("inviter_"), _IS_INVITATION, _HOLDS)
    .values(revoked_at=now_us())
)
_REVOKE_INTO: Final = Statement(
    update(one_time_link)
    .where(
        one_time_link.c.inviter == bindparam("inviter_"),
        one_time_link.c.namespace == bindparam("organisation_"),
        _IS_INVITATION,
        _HOLDS,
    )
    .values(revoked_at=now_us())
)
_PRUNE: Final = Statement(delete(one_time_link).where(one_time_link.c.expires_at < now_us() - bindparam("kept_us")))


async def by_id(db: Reader, id_: str) -> Link | None:
    """Return the link, if it holds: it was not used, not revoked, and has not expired."""
    return _link(await db.one(_BY_ID, id=id_))


async def by_secret(db: Reader, secret: str) -> Link | None:
    """Return the link with that stored secret, if it holds."""
    return _link(await db.one(_BY_SECRET, secret=secret))


async def invitations(db: Reader, organisation: int | None, limit: int) -> list[Link]:
    """Return the invitations that hold, into one organisation or all, newest first."""
    rows = await (
        db.all(_INVITATIONS, limit=limit) if organisation is None else db.all(_INTO, organisation=organisation, limit=limit)
    )
    return [found for row in rows if (found := _link(row)) is not None]


async def of_account(db: Reader, account: int) -> list[Link]:
    """Return all links that a user alone may use, whether they hold or not, newest first."""
    return [found for row in await db.all(_OF_ACCOUNT, account=account) if (found := _link(row)) is not None]


async def add(tx: Transaction, made: Link, secret: str | None, lifetime_us: int) -> None:
    """Store a link; its secret may be drawn later, when it is sent."""
    await tx.run(
        _ADD,
        id=made.id,
        purpose=made.purpose.value,
        secret=secret,
        account=made.account,
        namespace=made.namespace,
        email=made.email,
        role=made.role and made.role.value,
        is_mailed=int(made.is_mailed),
        makes_account=int(made.makes_account),
        created_by=made.created_by,
        inviter=made.inviter,
        lifetime_us=lifetime_us,
    )


async def draw(tx: Transaction, id_: str, secret: str) -> bool:
    """Give a link another secret; False when it does not hold any more."""
    return await tx.run(_DRAW, id_=id_, secret_=secret) > 0


async def use(tx: Transaction, id_: str) -> bool:
    """Use a link up; False when it does not hold any more."""
    return await tx.run(_USE, id_=id_) > 0


async def revoke(tx: Transaction, id_: str) -> bool:
    """Let an invitation hold no longer; tell whether it did."""
    return await tx.run(_REVOKE, id_=id_) > 0


async def revoke_all(tx: Transaction, account: int, purpose: Purpose) -> None:
    """Let no link of a user's for that purpose hold any longer."""
    await tx.run(_REVOKE_ALL, account_=account, purpose_=purpose.value)


async def revoke_made_by(tx: Transaction, inviter: int, organisation: int | None = None) -> int:
    """Let no invitation of somebody's hold any longer, into one organisation or wherever they lead; return how many did."""
    if organisation is None:
        return await tx.run(_REVOKE_MADE_BY, inviter_=inviter)
    return await tx.run(_REVOKE_INTO, inviter_=inviter, organisation_=organisation)


async def prune(tx: Transaction, kept_us: int) -> int:
    """Delete those that expired long enough ago."""
    return await tx.run(_PRUNE, kept_us=kept_us)


def _link(row: Any) -> Link | None:
    if row is None:
        return None
    id_, purpose, account, organisation, name, email, role, is_mailed, makes_account, *rest = row
    place = Place(role) if role else None
    return Link(id_, Purpose(purpose), account, organisation, name, email, place, bool(is_mailed), bool(makes_account), *rest)
