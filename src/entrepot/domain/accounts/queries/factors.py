"""Statements about second factors and recovery codes."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_replace

from entrepot.domain.accounts.tables import recovery_code, second_factor
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.statements import Statement

_FACTOR: Final = Statement(
    select(second_factor.c.secret, second_factor.c.last_step, second_factor.c.confirmed_at, now_us()).where(
        second_factor.c.account == bindparam("account")
    )
)
_BEGIN: Final = Statement(
    insert_or_replace(second_factor)
    .values(account=bindparam("account"), secret=bindparam("secret"), last_step=0, created_at=now_us(), confirmed_at=None)
    .on_conflict_do_update(
        index_elements=[second_factor.c.account],
        set_={"secret": bindparam("secret"), "created_at": now_us()},
        where=second_factor.c.confirmed_at.is_(None),
    )
)
_CONFIRM: Final = Statement(
    update(second_factor)
    .where(second_factor.c.account == bindparam("account_"), second_factor.c.confirmed_at.is_(None))
    .values(confirmed_at=now_us())
)
_TAKE: Final = Statement(
    update(second_factor)
    .where(second_factor.c.account == bindparam("account_"), second_factor.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"))
)
_REMOVE: Final = Statement(delete(second_factor).where(second_factor.c.account == bindparam("account_")))
_ADD_CODE: Final = Statement(insert(recovery_code).values(account=bindparam("account"), code=bindparam("code"), used_at=None))
_USE_CODE: Final = Statement(
    update(recovery_code)
    .where(
        recovery_code.c.account == bindparam("account_"),
        recovery_code.c.code == bindparam("code_"),
        recovery_code.c.used_at.is_(None),
    )
    .values(used_at=now_us())
)
_REMOVE_CODES: Final = Statement(delete(recovery_code).where(recovery_code.c.account == bindparam("account_")))
_CODES_LEFT: Final = Statement(
    select(func.count())
    .select_from(recovery_code)
    .where(recovery_code.c.account == bindparam("account"), recovery_code.c.used_at.is_(None))
)


async def of_account(db: Reader, account: int) -> tuple[bytes, int, int | None, int] | None:
    """Return a user's sealed secret, the step of the newest code that was taken, since when it is on, and the time now."""
    row = await db.one(_FACTOR, account=account)
    return (bytes(row[0]), row[1], row[2], row[3]) if row else None


async def begin(tx: Transaction, account: int, secret: bytes) -> bool:
    """Store a secret that is to be confirmed, in place of one that was not; False when one is on."""
    return await tx.run(_BEGIN, account=account, secret=secret) > 0


async def confirm(tx: Transaction, account: int) -> bool:
    """Turn a second factor on; False when none waits for that."""
    return await tx.run(_CONFIRM, account_=account) > 0


async def take(tx: Transaction, account: int, step: int) -> bool:
    """Take the code of a step; False when it or a later one was taken before."""
    return await tx.run(_TAKE, account_=account, step=step) > 0


async def remove(tx: Transaction, account: int) -> bool:
    """Turn a second factor off and forget its recovery codes; tell whether there was one."""
    await tx.run(_REMOVE_CODES, account_=account)
    return await tx.run(_REMOVE, account_=account) > 0


async def replace_codes(tx: Transaction, account: int, codes: Iterable[str]) -> None:
    """Replace all recovery codes."""
    await tx.run(_REMOVE_CODES, account_=account)
    for code in codes:
        await tx.run(_ADD_CODE, account=account, code=code)


async def use_code(tx: Transaction, account: int, code: str) -> bool:
    """Use a recovery code up; False when it is none, or was used."""
    return await tx.run(_USE_CODE, account_=account, code_=code) > 0


async def codes_left(db: Reader, account: int) -> int:
    """Return how many recovery codes were not used yet."""
    row = await db.one(_CODES_LEFT, account=account)
    return row[0] if row else 0
