"""People in the test's own process: the services of accounts, a mailbox, and the jobs of mail run when the test says so."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.service.tokens import PURPOSE
from entrepot.domain.accounts.jobs import AccountJobs, Forgetting
from entrepot.domain.accounts.model import Account
from entrepot.domain.accounts.service.keys import Keys
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.accounts.service.upkeep import AccountUpkeep
from entrepot.platform.db.database import Database
from entrepot.platform.jobs import Engine, Setup, queries
from entrepot.platform.secrets.keys import ensure_key
from entrepot.platform.secrets.rotation import KeyFile
from entrepot.spec.otp import totp
from support.accounts import NETWORK, PASSWORD
from support.mailbox import SENDER, Mailbox, mailbox
from support.parts import opened, sql

URL: Final = "https://hub.example.com"
_T = TypeVar("_T")


class Scene(msgspec.Struct, frozen=True):
    """What a scenario has: `place` is where it plays, `box` what mail came."""

    who: Accounts
    db: Database
    box: Mailbox
    place: Settings

    def forgetting(self) -> Forgetting:
        """Return where something is forgotten."""
        people = self.who.people
        return Forgetting(Throttle(self.db, ""), people.sessions, people.invitations, AccountUpkeep(self.db), 90)

    async def deliver(self) -> int:
        """Run the jobs that wait, those that failed too, and those that they make; return how many."""
        people = self.who.people
        kinds = AccountJobs(self.forgetting(), people.post, Keys(self.db, KeyFile(key_file(self.place)), PURPOSE)).kinds()
        engine, count = Engine(self.db, Setup(kinds), 8), 0
        await self.db.write(partial(queries.add_queues, names=["default", "mail"]))
        await sql(self.place, "UPDATE job SET run_at = 1 WHERE state = 'ready'")
        while held := await engine.claim(8):
            for each in held:
                await engine.perform(each)
            count += len(held)
        return count

    async def enrolled(self, name: str) -> tuple[Account, bytes, list[str]]:
        """Turn two-factor sign-in on for a user; return them with the secret and the recovery codes."""
        account = await self.who.users.find(name)
        secret = secret_of((await self.who.people.factors.begin(account)).secret)
        codes = await self.who.people.factors.confirm(account, await self.code(secret), NETWORK)
        return await self.who.users.find(name), secret, codes

    async def code(self, secret: bytes, away: int = 0) -> str:
        """Return the code of the step that the database's clock is in, or of one that is `away` from it."""
        (row,) = await sql(self.place, _NOW[bool(self.place.database)])
        return totp.code(secret, int(row[0]) // totp.STEP_S + away)


_NOW: Final = (
    "SELECT CAST((julianday('now') - 2440587.5) * 86400 AS INTEGER)",
    "SELECT CAST(floor(EXTRACT(EPOCH FROM clock_timestamp())) AS bigint)",
)


def secret_of(text: str) -> bytes:
    """Read a secret as an app does."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def play(place: Settings, scenario: Callable[[Scene], Awaitable[_T]], *, signup: str = "closed", mails: bool = True) -> _T:
    """Run a scenario, with a server that takes mail or without one."""
    ensure_key(key_file(place))

    async def run() -> _T:
        async with mailbox() as box, opened(place) as db:
            about = {"signup": signup, "smtp": box.url if mails else "", "mail_from": SENDER, "public_url": URL}
            who = Accounts(db, msgspec.structs.replace(place, **about))
            try:
                return await scenario(Scene(who, db, box, place))
            finally:
                who.close()

    return asyncio.run(run())


__all__ = ["NETWORK", "PASSWORD", "SENDER", "URL", "Scene", "play", "secret_of"]
