"""Users: made, changed and deleted, and proving who they are by a password."""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from entrepot.base.addresses import network_of
from entrepot.base.errors import Unavailable
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    EmailTaken,
    LanguageUnknown,
    LastAdministrator,
    NameTaken,
    SignInRefused,
)
from entrepot.domain.accounts.model import ADMINISTRATOR, USER, Account, Language, Purpose, parse_email
from entrepot.domain.accounts.passwords import MOST, check_password, normalized
from entrepot.domain.accounts.queries import accounts, failures, links, organisations, sessions
from entrepot.domain.accounts.service.inviting import end_invitations
from entrepot.domain.accounts.service.organisations import require_another_owner
from entrepot.domain.accounts.service.throttle import WINDOW_US, Throttle
from entrepot.domain.audit.model import ANYONE, HUB, NOTHING, Act, Author, Deed, Detail, Origin, Outcome, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.audit.service.seldom import Seldom
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.secrets.passwords import Passwords
from entrepot.spec.oci.names import LIBRARY, parse_namespace

_PROVED_S: Final = 60.0
_MOST_PROVED: Final = 1000
_ALL_RECORDED: Final = "recorded"  # no JSON, as the subjects are that somebody typed
_MOST_RECORDED: Final = 2000
WITH_PASSWORD: Final = {"with": "password"}


class Draft(msgspec.Struct, frozen=True):
    """A user who is not made yet; `password` is what is stored of it."""

    name: str
    password: str | None
    email: str | None
    is_admin: bool


class Users(Acting):
    """All users of the hub."""

    def __init__(self, db: Database, passwords: Passwords, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._passwords = passwords
        self._throttle = Throttle(db, "password")
        self._recorded = Seldom()
        self._proved: OrderedDict[bytes, float] = OrderedDict()
        self._salt = os.urandom(16)  # what is remembered of a password is of no use outside this process

    async def find(self, name: str) -> Account:
        """Return the user of that name. Raises AccountUnknown."""
        found = await self._db.read(accounts.by_name, name)
        if found is None:
            raise AccountUnknown(name=name)
        return found

    async def active(self, id_: int) -> Account | None:
        """Return the user with that id, if they may sign in; asked at every request that needs to know, so it may be spared."""
        found = await self._db.recall(accounts.by_id, str(id_))
        return found if found is not None and found.is_active else None

    async def page(self, last: str, limit: int) -> list[Account]:
        """Return the users whose names come behind `last`, in byte order, at most `limit`."""
        return await self._db.read(accounts.after, last, limit)

    async def is_empty(self) -> bool:
        """Tell whether there is no user yet."""
        return await self._db.read(accounts.is_empty)

    async def add(self, name: str, password: str | None, *, email: str | None = None, is_admin: bool = False) -> Account:
        """Make a user, who signs in by the password if there is one.

        Raises:
            NamespaceInvalid, NameReserved, NameTaken, EmailInvalid, EmailTaken, PasswordTooShort, PasswordTooLong,
            PasswordKnown
        """
        draft = await self.draft(name, password, email=email, is_admin=is_admin)
        await self._db.write(lambda tx: make_user(tx, draft, self._by))
        return await self.find(name)

    async def draft(self, name: str, password: str | None, *, email: str | None = None, is_admin: bool = False) -> Draft:
        """Return a user for `make_user`, after what can be checked and hashed beforehand. Raises as `add` does."""
        if name != ADMINISTRATOR and parse_namespace(name) == LIBRARY:
            raise NameTaken(name=name)
        email = parse_email(email) if email else None
        hashed = await self._hashed(password, name, email) if password is not None else None
        return Draft(name, hashed, email, is_admin)

    async def hashed(self, account: Account, password: str) -> str:
        """Return what is stored of a new password of a user's. Raises PasswordTooShort, PasswordTooLong, PasswordKnown."""
        return await self._hashed(password, account.name, account.email)

    def forget(self) -> None:
        """Forget which passwords were proved: one was changed."""
        self._proved.clear()

    async def set_password(self, name: str, password: str) -> None:
        """Replace a user's password, and end all that they are signed in with; tokens stay.

        Raises:
            AccountUnknown, PasswordTooShort, PasswordTooLong, PasswordKnown
        """
        account = await self.find(name)
        hashed = await self._hashed(password, name, account.email)

        async def change(tx: Transaction) -> None:
            _require(await accounts.set_password(tx, account.id, hashed), name)
            await sessions.end_all(tx, account.id)
            await links.revoke_all(tx, account.id, Purpose.RESET)
            await record(tx, self._by, done(Act.USER_PASSWORD, name))

        await self._db.write(change)
        self._proved.clear()

    async def set_email(self, name: str, email: str | None) -> None:
        """Replace a user's address of mail. Raises AccountUnknown, EmailInvalid, EmailTaken."""
        account = await self.find(name)
        address = parse_email(email) if email else None

        async def change(tx: Transaction) -> None:
            other = await accounts.by_email(tx, address) if address else None
            if other is not None and other.id != account.id:
                raise EmailTaken(email=address)
            _require(await accounts.set_email(tx, account.id, address), name)
            for purpose in (Purpose.RESET, Purpose.ADDRESS):  # they were sent to the address of before
                await links.revoke_all(tx, account.id, purpose)
            await record(tx, self._by, done(Act.USER_EMAIL, name))  # not which: it is personal, and rows are kept for long

        await self._db.write(change)

    async def set_language(self, name: str, language: str) -> None:
        """Choose the language in which is written to a user. Raises AccountUnknown, LanguageUnknown."""
        if language not in set(Language):
            raise LanguageUnknown(language=language, expected=" or ".join(Language))
        account = await self.find(name)
        await self._db.write(lambda tx: accounts.set_language(tx, account.id, Language(language)))

    async def set_admin(self, name: str, *, is_admin: bool) -> None:
        """Make a user an administrator of the hub, or no longer. Raises AccountUnknown, LastAdministrator."""
        account = await self.find(name)

        async def change(tx: Transaction) -> None:
            if not is_admin:
                await require_another_administrator(tx, account)
            _require(await accounts.set_admin(tx, account.id, is_admin=is_admin), name)
            if not is_admin:
                await end_invitations(tx, self._by, (account.id, name))
            await record(tx, self._by, done(Act.USER_PROMOTE if is_admin else Act.USER_DEMOTE, name))

        await self._db.write(change)

    async def set_active(self, name: str, *, is_active: bool) -> None:
        """Let a user sign in, or end all that they are signed in with. Raises AccountUnknown, LastAdministrator."""
        account = await self.find(name)

        async def change(tx: Transaction) -> None:
            if not is_active:
                await require_another_administrator(tx, account)
            _require(await accounts.set_active(tx, account.id, is_active=is_active), name)
            if not is_active:
                await end_invitations(tx, self._by, (account.id, name))
            await record(tx, self._by, done(Act.USER_UNLOCK if is_active else Act.USER_LOCK, name))

        await self._db.write(change)
        self._proved.clear()

    async def delete(self, name: str) -> None:
        """Delete a user with their tokens and memberships; their name is given to nobody else.

        Raises:
            AccountUnknown, LastAdministrator, LastOwner
        """
        account = await self.find(name)

        async def remove(tx: Transaction) -> None:
            await require_another_administrator(tx, account)
            await require_other_owners(tx, account)
            _require(await accounts.delete_account(tx, account.id), name)
            await end_invitations(tx, self._by, (account.id, name))
            await record(tx, self._by, done(Act.USER_DELETE, name))

        await self._db.write(remove)
        self._proved.clear()

    async def sign_in(self, name: str, password: str, client: str) -> Account:
        """Return the user whose name, or address of mail, and password these are; what was proved is remembered for a minute.

        It is recorded once an hour, and each time that it fails; `client` is the address that it comes from.

        Raises:
            SignInRefused, TooManySignIns, Unavailable
        """
        name, password, network = name.casefold(), normalized(password), network_of(client)
        account = await self._db.read(accounts.by_email if "@" in name else accounts.by_name, name)
        proof = self._proof(account, password) if account else b""
        if account is not None and account.is_active and self._is_proved(proof):
            return account
        await self._throttle.require(name, network)
        stored = await self._db.read(accounts.password_of, account.id) if account and account.is_active else None
        if len(password) > MOST or not await self._passwords.verify(stored, password) or account is None or stored is None:
            await self._throttle.failed(
                name, network, partial(_record_failure, name=account.name if account else "", client=client)
            )
            raise SignInRefused
        await self._throttle.require(name, network)  # of many tries at once the right one counts as little as the wrong ones
        # Whoever proved who they are may pull, also while nothing can be written down.
        with suppress(Unavailable):
            await self._throttle.succeeded(name, network)
            await self._signed_in(account, stored, password, client)
        self._proved[proof] = time.monotonic() + _PROVED_S
        while len(self._proved) > _MOST_PROVED:
            self._proved.popitem(last=False)
        return account

    async def _signed_in(self, account: Account, stored: str, password: str, client: str) -> None:
        rehashed = None if self._passwords.is_current(stored) else await self._passwords.hash(password)
        recorded = (account.id, network_of(client))
        is_due = self._recorded.is_due(recorded)

        async def note(tx: Transaction) -> None:
            await accounts.note_sign_in(tx, account.id)
            if rehashed:
                await accounts.rehash(tx, account.id, stored, rehashed)
            if is_due:
                details = WITH_PASSWORD if account.second_factor_at is None else {**WITH_PASSWORD, "code": "asked for"}
                await record(tx, Author(account.name, origin=Origin(client)), done(Act.SIGN_IN, account.name, details))

        await self._db.write(note)
        if is_due:
            self._recorded.note(recorded)

    async def _hashed(self, password: str, name: str, email: str | None) -> str:
        words = [name, *(email.replace("@", " ").split() if email else [])]
        return await self._passwords.hash(check_password(password, words))

    def _proof(self, account: Account, password: str) -> bytes:
        # The generation is in it: a password that was changed is another one, whoever changed it.
        text = f"{account.id} {account.generation} {password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._salt).digest()

    def _is_proved(self, proof: bytes) -> bool:
        until = self._proved.get(proof, 0.0)
        if until and until < time.monotonic():
            del self._proved[proof]
        return until >= time.monotonic()


def _require(is_there: bool, name: str) -> None:  # noqa: FBT001 - what a statement about the user said
    """Do nothing when the user is still there. Raises AccountUnknown."""
    if not is_there:
        raise AccountUnknown(name=name)


async def _record_failure(tx: Transaction, name: str, client: str) -> None:
    """Record a sign-in that failed; a name that nobody has is not written down, since it may be a password in the wrong field.

    Of very many within a quarter of an hour no more are: whoever has many addresses does not fill the disk.
    """
    await failures.add(tx, _ALL_RECORDED, WINDOW_US)
    counted = await failures.counts(tx, [_ALL_RECORDED], WINDOW_US)
    if counted.get(_ALL_RECORDED, (0, 0))[0] > _MOST_RECORDED:
        return
    await record(tx, Author(ANYONE, origin=Origin(client)), Deed(Act.SIGN_IN, name, name, WITH_PASSWORD, Outcome.REFUSED))


async def make_user(tx: Transaction, draft: Draft, by: Author, more: Mapping[str, Detail] = NOTHING) -> int:
    """Make a user and return their id; `more` is recorded beside it. Raises EmailTaken, NameTaken."""
    if draft.email and await accounts.by_email(tx, draft.email) is not None:
        raise EmailTaken(email=draft.email)
    namespace = await accounts.add_namespace(tx, draft.name, USER)
    if namespace is None:
        raise NameTaken(name=draft.name)
    await accounts.add(tx, namespace, email=draft.email, password=draft.password, is_admin=draft.is_admin)
    made = await accounts.by_name(tx, draft.name)
    if made is None:
        raise AssertionError("a user who was inserted is not there")
    await record(tx, by, done(Act.USER_ADD, draft.name, {"administrator": draft.is_admin, **more}))
    return made.id


async def require_other_owners(tx: Transaction, account: Account) -> None:
    """Do nothing when every organisation that somebody owns has another owner. Raises LastOwner."""
    for id_, name in await organisations.owned_by(tx, account.id):
        await require_another_owner(tx, id_, name, account)


async def require_another_administrator(tx: Transaction, account: Account) -> None:
    """Do nothing when the hub has another administrator who can sign in, or this one is none. Raises LastAdministrator."""
    if not (account.is_admin and account.is_active):
        return
    await accounts.lock_administrators(tx)
    if await accounts.administrators(tx) <= 1:
        raise LastAdministrator(name=account.name)
