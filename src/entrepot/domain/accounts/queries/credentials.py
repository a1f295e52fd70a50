"""Statements about tokens and robots."""

from typing import Any, Final

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, literal, or_, select, update

from entrepot.domain.accounts.model import Credential, Expiring, Kind, Language, Place, Terms
from entrepot.domain.accounts.tables import account, credential, member, namespace
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_SEEN: Final = (
    credential.c.id,
    credential.c.kind,
    namespace.c.name,
    credential.c.account,
    credential.c.name,
    credential.c.terms,
    credential.c.created_by,
    credential.c.created_at,
    credential.c.expires_at,
    credential.c.revoked_at,
    credential.c.used_at,
    credential.c.used_from,
)
_ALL: Final = select(*_SEEN).select_from(credential.join(namespace, namespace.c.id == credential.c.namespace))
_HOLDS: Final = and_(
    credential.c.revoked_at.is_(None), or_(credential.c.expires_at.is_(None), credential.c.expires_at > now_us())
)
_BY_SECRET: Final = Statement(_ALL.where(credential.c.secret == bindparam("secret"), _HOLDS))
_EVER: Final = Statement(
    select(credential.c.id, namespace.c.name)
    .select_from(credential.join(namespace, namespace.c.id == credential.c.namespace))
    .where(credential.c.secret == bindparam("secret"))
)
_HOLDING: Final = Statement(_ALL.where(credential.c.id == bindparam("id"), _HOLDS))
_BY_ID: Final = Statement(_ALL.where(credential.c.id == bindparam("id")))
_OF_ACCOUNT: Final = Statement(
    _ALL.where(credential.c.account == bindparam("account")).order_by(credential.c.created_at.desc(), credential.c.id)
)
_OF_NAMESPACE: Final = Statement(
    _ALL.where(credential.c.namespace == bindparam("namespace"), credential.c.kind == bindparam("kind")).order_by(
        credential.c.created_at.desc(), credential.c.id
    )
)
_ROBOT: Final = Statement(
    select(credential.c.id).where(
        credential.c.namespace == bindparam("namespace"),
        credential.c.kind == Kind.ROBOT.value,
        credential.c.name == bindparam("name"),
        credential.c.revoked_at.is_(None),
    )
)
_ADD: Final = Statement(
    insert(credential).values(
        id=bindparam("id"),
        kind=bindparam("kind"),
        namespace=bindparam("namespace"),
        account=bindparam("account"),
        name=bindparam("name"),
        secret=bindparam("secret"),
        terms=bindparam("terms"),
        created_by=bindparam("created_by"),
        created_at=now_us(),
        expires_at=now_us() + bindparam("lifetime_us"),
        revoked_at=None,
        used_at=None,
        used_from=None,
    )
)
_REVOKE: Final = Statement(
    update(credential).where(credential.c.id == bindparam("id_"), credential.c.revoked_at.is_(None)).values(revoked_at=now_us())
)
_NOTE_USE: Final = Statement(
    update(credential).where(credential.c.id == bindparam("id_")).values(used_at=now_us(), used_from=bindparam("used_from_"))
)
_DAYS_US: Final = bindparam("days_us", type_=credential.c.expires_at.type)
_EXPIRING: Final = Statement(
    select(credential.c.id, namespace.c.id, namespace.c.name, credential.c.name, credential.c.expires_at)
    .select_from(credential.join(namespace, namespace.c.id == credential.c.namespace))
    .where(
        credential.c.expires_at > now_us(),
        credential.c.expires_at <= now_us() + _DAYS_US,
        # One that was made for a shorter time needs no notice as soon as it is there.
        credential.c.expires_at - credential.c.created_at > _DAYS_US,
        credential.c.revoked_at.is_(None),
        or_(credential.c.noticed_days.is_(None), credential.c.noticed_days > bindparam("days")),
    )
    .order_by(credential.c.expires_at, credential.c.id)
    .limit(bindparam("limit"))
)
# Whoever owns a namespace: its user, or the organisation's owners.
_TOLD: Final = Statement(
    select(account.c.email, account.c.language)
    .where(
        account.c.email.is_not(None),
        account.c.is_active == 1,
        or_(
            account.c.namespace == bindparam("namespace"),
            account.c.id.in_(
                select(member.c.account).where(
                    member.c.namespace == bindparam("namespace"), member.c.role == literal(Place.OWNER.value)
                )
            ),
        ),
    )
    .order_by(account.c.id)
)
_NOTE_NOTICE: Final = Statement(
    update(credential).where(credential.c.id == bindparam("id_")).values(noticed_days=bindparam("days"))
)
_AGE_US: Final = bindparam("age_us", type_=credential.c.used_at.type)
# One that was cut is written as a network.
_IS_WHOLE: Final = and_(credential.c.used_from.is_not(None), ~credential.c.used_from.contains("/"))
_WHOLE: Final = Statement(
    select(credential.c.id, credential.c.used_from)
    .where(credential.c.used_at < now_us() - _AGE_US, _IS_WHOLE, credential.c.used_from != "")
    .order_by(credential.c.id)
    .limit(bindparam("limit"))
)
_CUT: Final = Statement(
    update(credential)
    .where(credential.c.id == bindparam("id_"), credential.c.used_from == bindparam("address_"))
    .values(used_from=bindparam("cut_"))
)
_PRUNE: Final = Statement(
    delete(credential).where(or_(credential.c.revoked_at < now_us() - _AGE_US, credential.c.expires_at < now_us() - _AGE_US))
)
_COUNT: Final = Statement(
    select(func.count()).select_from(credential).where(credential.c.namespace == bindparam("namespace"), _HOLDS)
)
_STORED: Final = Statement(select(func.count()).select_from(credential).where(credential.c.namespace == bindparam("namespace")))
_PRUNE_OF: Final = Statement(
    delete(credential).where(
        credential.c.namespace == bindparam("namespace_"),
        or_(credential.c.revoked_at.is_not(None), credential.c.expires_at <= now_us()),
    )
)
_DAY_US: Final = 86_400_000_000


async def by_secret(db: Reader, secret: str) -> Credential | None:
    """Return the credential with that stored secret, if it holds: it was not revoked and has not expired."""
    return _credential(await db.one(_BY_SECRET, secret=secret))


async def ever(db: Reader, secret: str) -> tuple[str, str] | None:
    """Return the id of the credential with that stored secret, and whose it is, also when it holds no more."""
    row = await db.one(_EVER, secret=secret)
    return (row[0], row[1]) if row else None


async def holding(db: Reader, id_: str) -> Credential | None:
    """Return the credential if it holds."""
    return _credential(await db.one(_HOLDING, id=id_))


async def by_id(db: Reader, id_: str) -> Credential | None:
    """Return the credential, whether it holds or not."""
    return _credential(await db.one(_BY_ID, id=id_))


async def of_account(db: Reader, account_: int) -> list[Credential]:
    """Return a user's tokens, newest first."""
    return [found for row in await db.all(_OF_ACCOUNT, account=account_) if (found := _credential(row)) is not None]


async def of_namespace(db: Reader, namespace_: int, kind: Kind) -> list[Credential]:
    """Return an organisation's tokens or a namespace's robots, newest first."""
    rows = await db.all(_OF_NAMESPACE, namespace=namespace_, kind=kind.value)
    return [found for row in rows if (found := _credential(row)) is not None]


async def robot(db: Reader, namespace_: int, name: str) -> str | None:
    """Return the id of a namespace's robot of that name that was not revoked."""
    row = await db.one(_ROBOT, namespace=namespace_, name=name)
    return row[0] if row else None


async def add(tx: Transaction, made: Credential, namespace_: int, secret: str, lifetime_us: int | None) -> None:
    """Store a new credential, which expires after its lifetime, if it has one."""
    await tx.run(
        _ADD,
        id=made.id,
        kind=made.kind.value,
        namespace=namespace_,
        account=made.account,
        name=made.name,
        secret=secret,
        terms=msgspec.json.encode(made.terms).decode(),
        created_by=made.created_by,
        lifetime_us=lifetime_us,
    )


async def revoke(tx: Transaction, id_: str) -> bool:
    """Let a credential prove nothing any more; tell whether it did until now."""
    return await tx.run(_REVOKE, id_=id_) > 0


async def note_use(tx: Transaction, id_: str, used_from: str) -> None:
    """Note that a credential was used now, and from where."""
    await tx.run(_NOTE_USE, id_=id_, used_from_=used_from)


async def expiring(db: Reader, days: int, limit: int) -> list[Expiring]:
    """Return tokens and robots that expire within so many days and whose owners were not told so yet, at most `limit`."""
    return [Expiring(*row) for row in await db.all(_EXPIRING, days=days, days_us=days * _DAY_US, limit=limit)]


async def told(db: Reader, namespace_: int) -> list[tuple[str, Language]]:
    """Return the addresses of those who own a namespace, and in which language each is written to."""
    return [(row[0], Language(row[1] or Language.ENGLISH)) for row in await db.all(_TOLD, namespace=namespace_)]


async def with_whole_address(db: Reader, age_us: int, limit: int) -> list[tuple[str, str]]:
    """Return the ids of credentials that were used last so long ago, and from where, unless that was cut already."""
    return [(row[0], row[1]) for row in await db.all(_WHOLE, age_us=age_us, limit=limit)]


async def cut(tx: Transaction, id_: str, address: str, shortened: str) -> int:
    """Leave of an address, if it is still the one of the last use, what is kept for long; return of how many."""
    return await tx.run(_CUT, id_=id_, address_=address, cut_=shortened)


async def prune(tx: Transaction, age_us: int) -> int:
    """Delete those that were revoked or expired so long ago; return how many."""
    return await tx.run(_PRUNE, age_us=age_us)


async def count(db: Reader, namespace_: int) -> int:
    """Return how many of a namespace hold: its own, its robots, and its user's."""
    row = await db.one(_COUNT, namespace=namespace_)
    return row[0] if row else 0


async def count_stored(db: Reader, namespace_: int) -> int:
    """Return how many of a namespace there are, those too that hold no more."""
    row = await db.one(_STORED, namespace=namespace_)
    return row[0] if row else 0


async def prune_of(tx: Transaction, namespace_: int) -> int:
    """Delete those of a namespace that hold no more; return how many."""
    return await tx.run(_PRUNE_OF, namespace_=namespace_)


async def note_notice(tx: Transaction, id_: str, days: int) -> None:
    """Note that a token's owner was told so many days before its end."""
    await tx.run(_NOTE_NOTICE, id_=id_, days=days)


def _credential(row: Any) -> Credential | None:
    if row is None:
        return None
    id_, kind, owner, account_, name, terms, *rest = row
    return Credential(id_, Kind(kind), owner, account_, name, msgspec.json.decode(terms, type=Terms), *rest)
