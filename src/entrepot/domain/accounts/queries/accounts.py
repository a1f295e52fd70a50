"""Statements about users and the names of all."""

from typing import Final

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, null, select, update

from entrepot.domain.accounts.model import Account, Language
from entrepot.domain.accounts.tables import (
    account,
    account_grant,
    credential,
    member,
    name_hold,
    namespace,
    one_time_link,
    recovery_code,
    second_factor,
    session,
    team_member,
)
from entrepot.platform.db.columns import now_us
from entrepot.platform.db.database import Reader, Transaction
from entrepot.platform.db.inserting import insert_unless_there
from entrepot.platform.db.statements import Row, Statement

_SEEN: Final = (
    account.c.id,
    account.c.namespace,
    namespace.c.name,
    account.c.email,
    account.c.is_admin,
    account.c.is_active,
    account.c.generation,
    account.c.created_at,
    account.c.signed_in_at,
    account.c.language,
    account.c.email_verified_at,
    second_factor.c.confirmed_at,
)
_FACTOR: Final = and_(second_factor.c.account == account.c.id, second_factor.c.confirmed_at.is_not(None))
_ACCOUNTS: Final = select(*_SEEN).select_from(
    account.join(namespace, namespace.c.id == account.c.namespace).outerjoin(second_factor, _FACTOR)
)
_BY_NAME: Final = Statement(_ACCOUNTS.where(namespace.c.name == bindparam("name")))
_BY_EMAIL: Final = Statement(_ACCOUNTS.where(account.c.email == bindparam("email")))
_BY_ID: Final = Statement(_ACCOUNTS.where(account.c.id == bindparam("id")))
_AFTER: Final = Statement(
    _ACCOUNTS.where(namespace.c.name > bindparam("last")).order_by(namespace.c.name).limit(bindparam("limit"))
)
_MADE_AT: Final = Statement(select(namespace.c.created_at).where(namespace.c.name == bindparam("name")))


def begins_so() -> tuple[ColumnElement[bool], ...]:
    """Return the condition for names that begin with `begins` and come behind `last`; all those come before `behind`."""
    return (namespace.c.name >= bindparam("begins"), namespace.c.name < bindparam("behind"), namespace.c.name > bindparam("last"))


_BEGINNING: Final = Statement(_ACCOUNTS.where(*begins_so()).order_by(namespace.c.name).limit(bindparam("limit")))
_PASSWORD: Final = Statement(select(account.c.password).where(account.c.id == bindparam("id")))
_ADD_NAMESPACE: Final = Statement(
    insert_unless_there(
        namespace,
        [namespace.c.name],
        name=bindparam("name"),
        kind=bindparam("kind"),
        created_at=now_us(),
        visibility=null(),
    )
)
_HOLDER: Final = Statement(select(name_hold.c.namespace).where(name_hold.c.name == bindparam("name")))
_NAMESPACE: Final = Statement(select(namespace.c.id, namespace.c.kind).where(namespace.c.name == bindparam("name")))
_SET_VISIBILITY: Final = Statement(
    update(namespace).where(namespace.c.id == bindparam("id_")).values(visibility=bindparam("visibility_"))
)
_ADD: Final = Statement(
    insert(account).values(
        namespace=bindparam("namespace"),
        email=bindparam("email"),
        password=bindparam("password"),
        is_admin=bindparam("is_admin"),
        is_active=1,
        # Not 1: SQLite gives the number of the user who was deleted last to the next one, and a token of theirs may still run.
        generation=now_us(),
        created_at=now_us(),
        signed_in_at=None,
        language=None,
        email_verified_at=None,
    )
)
_ANY: Final = Statement(select(account.c.id).limit(1))
_ADMINISTRATORS: Final = Statement(
    select(func.count()).select_from(account).where(account.c.is_admin == 1, account.c.is_active == 1)
)
_LOCK_ADMINISTRATORS: Final = Statement(
    select(account.c.id).where(account.c.is_admin == 1).order_by(account.c.id).with_for_update()
)
_SET_PASSWORD: Final = Statement(
    update(account)
    .where(account.c.id == bindparam("id_"))
    .values(password=bindparam("password_"), generation=account.c.generation + 1)
)
_REHASH: Final = Statement(
    update(account)
    .where(account.c.id == bindparam("id_"), account.c.password == bindparam("before"))
    .values(password=bindparam("password_"))
)
_SET_ADMIN: Final = Statement(update(account).where(account.c.id == bindparam("id_")).values(is_admin=bindparam("is_admin_")))
_SET_ACTIVE: Final = Statement(
    update(account)
    .where(account.c.id == bindparam("id_"))
    .values(is_active=bindparam("is_active_"), generation=account.c.generation + 1)
)
_SET_EMAIL: Final = Statement(
    update(account).where(account.c.id == bindparam("id_")).values(email=bindparam("email_"), email_verified_at=None)
)
_VERIFY_EMAIL: Final = Statement(
    update(account).where(account.c.id == bindparam("id_")).values(email=bindparam("email_"), email_verified_at=now_us())
)
_SET_LANGUAGE: Final = Statement(update(account).where(account.c.id == bindparam("id_")).values(language=bindparam("language_")))
_RENEW: Final = Statement(update(account).where(account.c.id == bindparam("id_")).values(generation=account.c.generation + 1))
_NOTE_SIGN_IN: Final = Statement(update(account).where(account.c.id == bindparam("id_")).values(signed_in_at=now_us()))
_FORGET: Final = tuple(
    Statement(delete(table).where(table.c.account == bindparam("account_")))
    for table in (credential, team_member, account_grant, member, session, second_factor, recovery_code, one_time_link)
)
_DELETE: Final = Statement(delete(account).where(account.c.id == bindparam("id_")))


async def by_name(db: Reader, name: str) -> Account | None:
    """Return the user of that name."""
    return _account(await db.one(_BY_NAME, name=name))


async def by_email(db: Reader, email: str) -> Account | None:
    """Return the user with that address of mail."""
    return _account(await db.one(_BY_EMAIL, email=email))


async def by_id(db: Reader, id_: str) -> Account | None:
    """Return the user with that id, which is given as text, as `recall` wants it."""
    return _account(await db.one(_BY_ID, id=int(id_)))


async def after(db: Reader, last: str, limit: int) -> list[Account]:
    """Return the users whose names come behind `last`, in byte order, at most `limit`."""
    return [found for row in await db.all(_AFTER, last=last, limit=limit) if (found := _account(row)) is not None]


async def beginning(db: Reader, begins: str, last: str, limit: int) -> list[Account]:
    """Return the users whose names begin so and come behind `last`, in byte order, at most `limit`."""
    found = await db.all(_BEGINNING, begins=begins, behind=f"{begins}\x7f", last=last, limit=limit)
    return [each for row in found if (each := _account(row)) is not None]


async def password_of(db: Reader, id_: int) -> str | None:
    """Return what is stored of the user's password."""
    row = await db.one(_PASSWORD, id=id_)
    return row[0] if row else None


async def is_empty(db: Reader) -> bool:
    """Tell whether there is no user at all."""
    return await db.one(_ANY) is None


async def namespace_of(db: Reader, name: str) -> tuple[int, str] | None:
    """Return the id and the kind of the namespace of that name."""
    row = await db.one(_NAMESPACE, name=name)
    return (row[0], row[1]) if row else None


async def made_at(db: Reader, name: str) -> int | None:
    """Return when the namespace of that name was made (microseconds UTC)."""
    row = await db.one(_MADE_AT, name=name)
    return row[0] if row else None


async def add_namespace(tx: Transaction, name: str, kind: str) -> int | None:
    """Make a namespace and return its id; None when the name is not to be had, and then the transaction must not be committed.

    What another transaction has done to the name until then is seen by the second statement alone, after the first has waited.
    """
    if not await tx.run(_ADD_NAMESPACE, name=name, kind=kind) or await tx.one(_HOLDER, name=name) is not None:
        return None
    found = await namespace_of(tx, name)
    return found[0] if found else None


async def set_visibility(tx: Transaction, namespace_: int, visibility: str) -> None:
    """Say what repositories are that a push makes in a namespace."""
    await tx.run(_SET_VISIBILITY, id_=namespace_, visibility_=visibility)


async def add(tx: Transaction, namespace_: int, *, email: str | None, password: str | None, is_admin: bool) -> None:
    """Make the user of a namespace."""
    await tx.run(_ADD, namespace=namespace_, email=email, password=password, is_admin=int(is_admin))


async def lock_administrators(tx: Transaction) -> None:
    """Let nobody else change who administers the hub until the transaction ends."""
    await tx.all(_LOCK_ADMINISTRATORS)


async def administrators(db: Reader) -> int:
    """Return how many users administer the hub and may sign in."""
    row = await db.one(_ADMINISTRATORS)
    return row[0] if row else 0


async def set_password(tx: Transaction, id_: int, password: str | None) -> bool:
    """Replace what is stored of the password: what was proved by the earlier one proves nothing any more."""
    return await tx.run(_SET_PASSWORD, id_=id_, password_=password) > 0


async def rehash(tx: Transaction, id_: int, before: str, password: str) -> None:
    """Replace the stored text of the same password by one of today's parameters."""
    await tx.run(_REHASH, id_=id_, before=before, password_=password)


async def set_admin(tx: Transaction, id_: int, *, is_admin: bool) -> bool:
    """Make the user an administrator of the hub, or no longer; tell whether there is such a user."""
    return await tx.run(_SET_ADMIN, id_=id_, is_admin_=int(is_admin)) > 0


async def set_active(tx: Transaction, id_: int, *, is_active: bool) -> bool:
    """Let the user sign in, or no longer, and end what they are signed in with; tell whether there is such a user."""
    return await tx.run(_SET_ACTIVE, id_=id_, is_active_=int(is_active)) > 0


async def set_email(tx: Transaction, id_: int, email: str | None) -> bool:
    """Replace the address of mail; tell whether there is such a user."""
    return await tx.run(_SET_EMAIL, id_=id_, email_=email) > 0


async def verify_email(tx: Transaction, id_: int, email: str) -> None:
    """Replace the address of mail by one that its owner has shown to be theirs."""
    await tx.run(_VERIFY_EMAIL, id_=id_, email_=email)


async def set_language(tx: Transaction, id_: int, language: Language) -> None:
    """Replace the language in which is written to the user."""
    await tx.run(_SET_LANGUAGE, id_=id_, language_=language.value)


async def renew(tx: Transaction, id_: int) -> None:
    """End all that the user is signed in with; tokens stay."""
    await tx.run(_RENEW, id_=id_)


async def note_sign_in(tx: Transaction, id_: int) -> None:
    """Note that the user has signed in."""
    await tx.run(_NOTE_SIGN_IN, id_=id_)


async def delete_account(tx: Transaction, id_: int) -> bool:
    """Delete the user and all that is theirs, and tell whether they were there; the namespace stays, for nobody else."""
    for statement in _FORGET:
        await tx.run(statement, account_=id_)
    return await tx.run(_DELETE, id_=id_) > 0


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    id_, namespace_, name, email, is_admin, is_active, generation, created_at, signed_in_at, language, verified, factor = row
    return Account(
        id_,
        namespace_,
        name,
        email,
        bool(is_admin),
        bool(is_active),
        generation,
        created_at,
        signed_in_at,
        Language(language) if language else Language.ENGLISH,
        verified,
        factor,
    )
