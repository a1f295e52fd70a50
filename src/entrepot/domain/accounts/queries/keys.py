"""Statements about signing keys."""

from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from entrepot.domain.accounts.tables import signing_key
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_ALL: Final = Statement(
    select(signing_key.c.id, signing_key.c.secret)
    .where(signing_key.c.purpose == bindparam("purpose"))
    .order_by(signing_key.c.created_at.desc(), signing_key.c.id)
)
_AGE: Final = Statement(
    select(now_us(), signing_key.c.created_at)
    .where(signing_key.c.purpose == bindparam("purpose"))
    .order_by(signing_key.c.created_at.desc(), signing_key.c.id)
    .limit(1)
)
_DROP_OTHERS: Final = Statement(
    delete(signing_key).where(signing_key.c.purpose == bindparam("purpose_"), signing_key.c.id != bindparam("id_"))
)
_ADD: Final = Statement(
    insert(signing_key).values(
        id=bindparam("id"),
        purpose=bindparam("purpose"),
        public=bindparam("public"),
        secret=bindparam("secret"),
        created_at=now_us(),
    )
)


async def of_purpose(db: Reader, purpose: str) -> list[tuple[str, bytes]]:
    """Return the ids and envelopes of the keys for a purpose, newest first."""
    return [(row[0], bytes(row[1])) for row in await db.all(_ALL, purpose=purpose)]


async def age_of_newest(db: Reader, purpose: str) -> int | None:
    """Return how many microseconds ago the newest key for a purpose was made; None when there is none."""
    row = await db.one(_AGE, purpose=purpose)
    return row[0] - row[1] if row else None


async def drop_others(tx: Transaction, purpose: str, id_: str) -> int:
    """Delete all keys for a purpose but one; return how many."""
    return await tx.run(_DROP_OTHERS, purpose_=purpose, id_=id_)


async def add(tx: Transaction, id_: str, purpose: str, public: str, secret: bytes) -> None:
    """Store a key."""
    await tx.run(_ADD, id=id_, purpose=purpose, public=public, secret=secret)
