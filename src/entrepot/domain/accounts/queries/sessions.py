"""Statements about the sessions of browsers."""

from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, select, update

from entrepot.domain.accounts.model import Session
from entrepot.domain.accounts.tables import account, session
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_SEEN: Final = (
    session.c.id,
    session.c.account,
    session.c.created_at,
    session.c.seen_at,
    session.c.ends_at,
    session.c.address,
    session.c.agent,
)
_HOLDS: Final = and_(
    session.c.ends_at > now_us(),
    session.c.seen_at > now_us() - bindparam("idle_us"),
    session.c.generation == account.c.generation,
    account.c.is_active == 1,
)
_HOLDING: Final = select(*_SEEN).select_from(session.join(account, account.c.id == session.c.account)).where(_HOLDS)
_BY_SECRET: Final = Statement(_HOLDING.where(session.c.secret == bindparam("secret")))
_OF_ACCOUNT: Final = Statement(
    _HOLDING.where(session.c.account == bindparam("account")).order_by(session.c.created_at.desc(), session.c.id)
)
_ADD: Final = Statement(
    insert(session).from_select(
        ["id", "secret", "account", "generation", "created_at", "seen_at", "ends_at", "address", "agent"],
        select(
            bindparam("id", type_=session.c.id.type),
            bindparam("secret", type_=session.c.secret.type),
            account.c.id,
            account.c.generation,
            now_us(),
            now_us(),
            now_us() + bindparam("lifetime_us", type_=session.c.ends_at.type),
            bindparam("address", type_=session.c.address.type),
            bindparam("agent", type_=session.c.agent.type),
        ).where(account.c.id == bindparam("account"), account.c.is_active == 1, account.c.generation == bindparam("generation")),
    )
)
_NOTE: Final = Statement(
    update(session)
    .where(session.c.id == bindparam("id_"), session.c.seen_at < now_us() - bindparam("every_us"))
    .values(seen_at=now_us(), address=bindparam("address_"))
)
_END: Final = Statement(delete(session).where(session.c.id == bindparam("id_"), session.c.account == bindparam("account_")))
_END_BY_SECRET: Final = Statement(delete(session).where(session.c.secret == bindparam("secret_")))
_END_ALL: Final = Statement(delete(session).where(session.c.account == bindparam("account_"), session.c.id != bindparam("but_")))
_TRIM: Final = Statement(
    delete(session).where(
        session.c.account == bindparam("account_"),
        session.c.id.in_(
            select(session.c.id)
            .where(session.c.account == bindparam("account_"))
            .order_by(session.c.seen_at.desc(), session.c.id)
            .limit(1_000_000)
            .offset(bindparam("most"))
        ),
    )
)
_WHOLE: Final = Statement(
    select(session.c.id, session.c.address)
    .where(
        session.c.seen_at < now_us() - bindparam("age_us", type_=session.c.seen_at.type),
        ~session.c.address.contains("/"),
        session.c.address != "",
    )
    .order_by(session.c.id)
    .limit(bindparam("limit"))
)
_CUT: Final = Statement(
    update(session)
    .where(session.c.id == bindparam("id_"), session.c.address == bindparam("address_"))
    .values(address=bindparam("cut_"))
)
_BY_ID: Final = Statement(select(session.c.account).where(session.c.id == bindparam("id")))
_PRUNE: Final = Statement(
    delete(session).where((session.c.ends_at < now_us()) | (session.c.seen_at < now_us() - bindparam("idle_us")))
)


async def by_secret(db: Reader, secret: str, idle_us: int) -> Session | None:
    """Return the session with that stored secret, if it holds."""
    return _session(await db.one(_BY_SECRET, secret=secret, idle_us=idle_us))


async def of_account(db: Reader, account_: int, idle_us: int) -> list[Session]:
    """Return the sessions of a user that hold, newest first."""
    rows = await db.all(_OF_ACCOUNT, account=account_, idle_us=idle_us)
    return [found for row in rows if (found := _session(row)) is not None]


async def account_of(db: Reader, id_: str) -> int | None:
    """Return whose a session is."""
    row = await db.one(_BY_ID, id=id_)
    return row[0] if row else None


async def add(tx: Transaction, made: Session, secret: str, generation: int, lifetime_us: int) -> bool:
    """Store a session of a user; False when what they proved is of an earlier generation, or they may not sign in."""
    return (
        await tx.run(
            _ADD,
            id=made.id,
            secret=secret,
            account=made.account,
            generation=generation,
            lifetime_us=lifetime_us,
            address=made.address,
            agent=made.agent,
        )
        > 0
    )


async def trim(tx: Transaction, account_: int, most: int) -> None:
    """End the sessions of a user that were used longest ago, but for as many as are kept."""
    await tx.run(_TRIM, account_=account_, most=most)


async def note(tx: Transaction, id_: str, address: str, every_us: int) -> None:
    """Note that a session is used, and from where, unless that was done a moment ago."""
    await tx.run(_NOTE, id_=id_, address_=address, every_us=every_us)


async def end(tx: Transaction, id_: str, account_: int) -> bool:
    """End a session of a user; tell whether there was one."""
    return await tx.run(_END, id_=id_, account_=account_) > 0


async def end_by_secret(tx: Transaction, secret: str) -> None:
    """End the session with that stored secret, whosever it is."""
    await tx.run(_END_BY_SECRET, secret_=secret)


async def end_all(tx: Transaction, account_: int, but: str = "") -> int:
    """End all sessions of a user but one; return how many."""
    return await tx.run(_END_ALL, account_=account_, but_=but)


async def with_whole_address(db: Reader, age_us: int, limit: int) -> list[tuple[str, str]]:
    """Return the ids of sessions that were seen last so long ago, and from where, unless that was cut already."""
    return [(row[0], row[1]) for row in await db.all(_WHOLE, age_us=age_us, limit=limit)]


async def cut(tx: Transaction, id_: str, address: str, shortened: str) -> int:
    """Leave of an address, if it is still the last one, what is kept for long; return of how many."""
    return await tx.run(_CUT, id_=id_, address_=address, cut_=shortened)


async def prune(tx: Transaction, idle_us: int) -> int:
    """Delete those that have ended."""
    return await tx.run(_PRUNE, idle_us=idle_us)


def _session(row: Any) -> Session | None:
    return Session(*row) if row is not None else None
