"""Getting back in: passwords replaced by a link, and addresses of mail shown to be their owner's.

Whoever asks hears the same, and after the same time, whether anybody has that name or address: all that is done is to write a
job, which finds out. A link works once; one for a password for an hour.
"""

import uuid
from typing import Final

from entrepot.base.clock import seconds_us
from entrepot.domain.accounts.errors import EmailTaken, LinkInvalid
from entrepot.domain.accounts.events import LinkAsked, SendLink, SendNotice
from entrepot.domain.accounts.mails import Notice
from entrepot.domain.accounts.model import Account, Hub, Link, Purpose, parse_email
from entrepot.domain.accounts.queries import accounts, links, sessions
from entrepot.domain.accounts.secrets import stored
from entrepot.domain.accounts.service.invitations import LIFETIME_S, count_asked
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import Act, Author, Origin, done
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue

RESET_S: Final = 3600
ADDRESS_S: Final = 86_400
_MOST_ASKED: Final = 5  # for a name, in a quarter of an hour
_LIFETIMES: Final = {Purpose.RESET: RESET_S, Purpose.ADDRESS: ADDRESS_S, Purpose.USER: LIFETIME_S}
_LONGEST: Final = 300


class Recovery:
    """What is asked for by those who cannot sign in, and what comes back by mail."""

    def __init__(self, db: Database, users: Users, hub: Hub) -> None:
        self._db = db
        self._users = users
        self._hub = hub
        self._throttle = Throttle(db, "link", _MOST_ASKED)

    async def ask_reset(self, subject: str, network: str) -> None:
        """Have a link sent to whoever has that name or address of mail, by which they choose another password.

        Raises:
            TooManyAsked
        """
        await self._ask(LinkAsked(Purpose.RESET, subject[:_LONGEST].strip().casefold()), network)

    async def send_reset(self, account: Account, by: Author) -> None:
        """Have the same link sent to a user, as an administrator wants; nobody waits for whether it arrives."""

        async def ask(tx: Transaction) -> None:
            await enqueue(tx, LinkAsked(Purpose.RESET, account.name))
            await record(tx, by, done(Act.USER_LINK, account.name))

        await self._db.write(ask)

    async def ask_address(self, account: Account, email: str, network: str) -> None:
        """Have a link sent to an address, which is the user's from when they follow it. Raises EmailInvalid, TooManyAsked."""
        await self._ask(LinkAsked(Purpose.ADDRESS, parse_email(email), account.id), network)

    async def look(self, secret: str) -> tuple[Purpose, Account]:
        """Return what a link that was sent to somebody is for, a password or an address, and whose. Raises LinkInvalid."""
        link = await self._db.read(links.by_secret, stored(secret))
        if link is None or link.purpose not in (Purpose.RESET, Purpose.ADDRESS):
            raise LinkInvalid
        _, account = await self._linked(secret, link.purpose)
        return link.purpose, account

    async def reset(self, secret: str, password: str, client: str = "") -> Account:
        """Replace the password of whoever was sent that link, and end all that they are signed in with; tokens stay.

        The second factor stays too: who reads somebody's mail has not got their phone.

        Raises:
            LinkInvalid, PasswordTooShort, PasswordTooLong, PasswordKnown
        """
        link, account = await self._linked(secret, Purpose.RESET)
        hashed = await self._users.hashed(account, password)

        async def change(tx: Transaction) -> None:
            if not await links.use(tx, link.id):
                raise LinkInvalid
            await accounts.set_password(tx, account.id, hashed)
            await sessions.end_all(tx, account.id)
            await record(tx, Author(account.name, origin=Origin(client)), done(Act.USER_PASSWORD, account.name, {"by": "link"}))
            await links.revoke_all(tx, account.id, Purpose.RESET)
            if link.email and self._hub.mails:
                await enqueue(tx, SendNotice(link.email, Notice.PASSWORD_CHANGED, {"name": account.name}, account.language))

        await self._db.write(change)
        self._users.forget()
        return account

    async def confirm_address(self, secret: str, client: str = "") -> Account:
        """Make the address to which a link was sent its owner's. Raises EmailTaken, LinkInvalid."""
        link, account = await self._linked(secret, Purpose.ADDRESS)

        async def change(tx: Transaction) -> None:
            if not await links.use(tx, link.id) or link.email is None:
                raise LinkInvalid
            other = await accounts.by_email(tx, link.email)
            if other is not None and other.id != account.id:
                raise EmailTaken(email=link.email)
            await accounts.verify_email(tx, account.id, link.email)
            await record(tx, Author(account.name, origin=Origin(client)), done(Act.USER_EMAIL, account.name, {"by": "link"}))
            await links.revoke_all(tx, account.id, Purpose.ADDRESS)
            await links.revoke_all(tx, account.id, Purpose.RESET)  # they were sent to the address of before

        await self._db.write(change)
        return await self._users.find(account.name)

    async def _linked(self, secret: str, purpose: Purpose) -> tuple[Link, Account]:
        link = await self._db.read(links.by_secret, stored(secret))
        if link is None or link.purpose is not purpose or link.account is None:
            raise LinkInvalid
        account = await self._users.active(link.account)
        if account is None:
            raise LinkInvalid
        return link, account

    async def _ask(self, asked: LinkAsked, network: str) -> None:
        await count_asked(self._throttle, asked.subject, network)
        if self._hub.mails:
            await self._db.write(lambda tx: enqueue(tx, asked))


async def grant_link(tx: Transaction, asked: LinkAsked) -> None:
    """Make the link that was asked for and have it sent, or write to its address what is the case, or do nothing."""
    if asked.purpose is Purpose.RESET:
        account = await (accounts.by_email if "@" in asked.subject else accounts.by_name)(tx, asked.subject)
        if account is None or not account.is_active or not account.email:
            return
        await _send(tx, asked.purpose, account.email, account.id)
        return
    known = await accounts.by_email(tx, asked.subject)
    if known is not None and known.id != asked.account:
        await enqueue(tx, SendNotice(known.email or "", Notice.ADDRESS_KNOWN, {"name": known.name}, known.language))
        return
    if asked.purpose is Purpose.USER:
        await _send(tx, asked.purpose, asked.subject, None)
    elif await accounts.by_id(tx, str(asked.account)) is not None:
        await _send(tx, asked.purpose, asked.subject, asked.account)


async def _send(tx: Transaction, purpose: Purpose, email: str, account: int | None) -> None:
    made = Link(
        str(uuid.uuid4()),
        purpose,
        account,
        namespace=None,
        organisation=None,
        email=email,
        role=None,
        is_mailed=True,
        makes_account=purpose is Purpose.USER,
        created_by="",
    )
    await links.add(tx, made, None, seconds_us(_LIFETIMES[purpose]))
    await enqueue(tx, SendLink(made.id))
