"""Sessions of browsers: begun by signing in, seen and ended by their owner, and ended by whatever ends a sign-in.

A session is a random secret that the browser keeps; its hash is stored. It holds for thirty days, for seven of them without being
used, and only as long as its owner's generation is the one that it began with: a new password, a lock, and turning two-factor
sign-in on or off end it with their commit. Signing in always draws a new secret and ends the session that the browser had, so
that nobody signs in into a session that somebody else has planted (session fixation).

What a surface does: `sign_in` with the secret of the cookie that came, if any, and set the one that it returns (HttpOnly, Secure
with HTTPS, SameSite=Lax, Path=/); `find` at each request; `end_this` at sign-out.
"""

import time
import uuid
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from entrepot.base.addresses import network_of
from entrepot.base.clock import seconds_us
from entrepot.base.errors import Unavailable
from entrepot.domain.accounts.errors import CodeNeeded, SessionUnknown, SignInRefused
from entrepot.domain.accounts.model import Account, Session
from entrepot.domain.accounts.queries import accounts, sessions
from entrepot.domain.accounts.secrets import new_link_secret, stored
from entrepot.domain.accounts.service.factors import SecondFactors
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import HUB, Act, Author, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction

LIFETIME_S: Final = 30 * 86_400
IDLE_S: Final = 7 * 86_400
IDLE_US: Final = seconds_us(IDLE_S)
_NOTED_EVERY_S: Final = 60.0
_MOST_NOTED: Final = 10_000
_MOST: Final = 50  # of a user: the ones that were used longest ago end
_LONGEST_AGENT: Final = 300


class Browser(msgspec.Struct, frozen=True):
    """Where somebody signs in: their address, what the browser says it is, and the secret of the session that it has, if any."""

    address: str
    agent: str = ""
    secret: str = ""

    @property
    def network(self) -> str:
        """By what failures are counted."""
        return network_of(self.address)


class Sessions(Acting):
    """All sessions of the hub."""

    def __init__(self, db: Database, users: Users, factors: SecondFactors, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._users = users
        self._factors = factors
        self._noted: dict[str, float] = {}

    async def sign_in(self, name: str, password: str, code: str, browser: Browser) -> tuple[Account, str]:
        """Return who has that name and password, and the secret of a new session; the one that the browser had has ended.

        `code` is of the second factor, or a recovery code; it may be empty where none is needed.

        Raises:
            CodeNeeded, CodeRefused, SignInRefused, TooManySignIns, Unavailable
        """
        account = await self.prove(name, password, code, browser.address)
        return account, await self.start(account, browser)

    async def prove(self, name: str, password: str, code: str, client: str) -> Account:
        """Return who has that name and password, and the code if one is needed; no session is begun. `client` is their address.

        Raises:
            CodeNeeded, CodeRefused, SignInRefused, TooManySignIns, Unavailable
        """
        account = await self._users.sign_in(name, password, client)
        if account.second_factor_at is not None:
            if not code:
                raise CodeNeeded
            await self._factors.prove(account, code, client)
        return account

    async def start(self, account: Account, browser: Browser) -> str:
        """Begin a session for somebody who has just proved who they are; return its secret.

        Also for those who have turned two-factor sign-in on or off in this browser, which ends all sessions before.

        Raises:
            SignInRefused: their password was changed meanwhile, or they were locked.
        """
        secret = new_link_secret()
        made = Session(str(uuid.uuid4()), account.id, 0, 0, 0, browser.address, browser.agent[:_LONGEST_AGENT])

        async def begin(tx: Transaction) -> bool:
            if browser.secret:
                await sessions.end_by_secret(tx, stored(browser.secret))
            await sessions.trim(tx, account.id, _MOST - 1)
            return await sessions.add(tx, made, stored(secret), account.generation, seconds_us(LIFETIME_S))

        if not await self._db.write(begin):
            raise SignInRefused
        return secret

    async def find(self, secret: str, address: str) -> tuple[Account, Session] | None:
        """Return who is signed in with that secret, if the session holds; that it is used is noted once a minute."""
        found = await self._db.read(sessions.by_secret, stored(secret), IDLE_US)
        account = await self._users.active(found.account) if found is not None else None
        if found is None or account is None:
            return None
        await self._note(found.id, address)
        return account, found

    async def of_account(self, account: Account) -> list[Session]:
        """Return a user's sessions that hold, newest first."""
        return await self._db.read(sessions.of_account, account.id, IDLE_US)

    async def end(self, account: Account, id_: str) -> None:
        """End a session of a user's. Raises SessionUnknown, also for somebody else's."""
        await self._db.write(partial(self._end, id_=id_, account=account.id))

    async def end_any(self, id_: str) -> None:
        """End a session, whosever it is. Raises SessionUnknown."""
        owner = await self._db.read(sessions.account_of, id_)
        if owner is None:
            raise SessionUnknown(id=id_)
        await self._db.write(partial(self._end, id_=id_, account=owner))

    async def end_this(self, secret: str) -> None:
        """End the session with that secret, if there is one."""
        await self._db.write(lambda tx: sessions.end_by_secret(tx, stored(secret)))

    async def end_all(self, account: Account, but: str = "") -> int:
        """End all sessions of a user's but the one with that id; return how many."""
        return await self._db.write(lambda tx: sessions.end_all(tx, account.id, but))

    async def sign_out_everywhere(self, account: Account) -> None:
        """End all that a user is signed in with, registry clients with their password too; tokens stay."""

        async def change(tx: Transaction) -> None:
            await accounts.renew(tx, account.id)
            await sessions.end_all(tx, account.id)
            await record(tx, self._by, done(Act.SESSION_END, account.name, {"sessions": "all"}))

        await self._db.write(change)
        self._users.forget()

    async def prune(self) -> int:
        """Delete those that have ended."""
        return await self._db.write(lambda tx: sessions.prune(tx, IDLE_US), durable=False)

    async def _end(self, tx: Transaction, id_: str, account: int) -> None:
        """End a session. Raises SessionUnknown."""
        owner = await accounts.by_id(tx, str(account))
        if owner is None or not await sessions.end(tx, id_, account):
            raise SessionUnknown(id=id_)
        await record(tx, self._by, done(Act.SESSION_END, owner.name, {"session": id_}))

    async def _note(self, id_: str, address: str) -> None:
        now = time.monotonic()
        if now - self._noted.get(id_, -_NOTED_EVERY_S) < _NOTED_EVERY_S:
            return
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()
        self._noted[id_] = now
        every_us = seconds_us(_NOTED_EVERY_S)
        # Whoever is signed in may read, also while nothing can be written down.
        with suppress(Unavailable):
            await self._db.write(lambda tx: sessions.note(tx, id_, address, every_us), durable=False)
