"""Making an account by a link, or by oneself where everyone may, and joining organisations.

An invitation is a link that works once and for seven days. Where mail can be sent and its address is known, it is sent and shown
to nobody, and whoever uses it has shown that the address is theirs; else it is shown to whoever invites. Who may invite is for
the surfaces to ask (`may` in domain/access); this service is told whether they administer the hub.
"""

import uuid
from typing import Final

from msgspec.structs import replace

from entrepot.base.addresses import network_of
from entrepot.base.clock import seconds_us
from entrepot.domain.accounts.errors import (
    AddressMissing,
    InvitationUnknown,
    LinkInvalid,
    SignUpClosed,
    TooManyAsked,
    TooManySignIns,
)
from entrepot.domain.accounts.events import LinkAsked, SendLink
from entrepot.domain.accounts.model import Account, Hub, Link, Place, Purpose, parse_email
from entrepot.domain.accounts.queries import accounts, links, organisations
from entrepot.domain.accounts.secrets import new_link_secret, stored
from entrepot.domain.accounts.service.inviting import may_still_invite
from entrepot.domain.accounts.service.organisations import Seat, organisation_named
from entrepot.domain.accounts.service.throttle import Throttle
from entrepot.domain.accounts.service.users import Users, make_user
from entrepot.domain.audit.model import HUB, Act, Author, Deed, Origin, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue

LIFETIME_S: Final = 7 * 86_400
_KEPT_S: Final = 30 * 86_400
CLOSED, OPEN = "closed", "open"
_PATH: Final = "/accounts/links/"
_MOST_ASKED: Final = 5  # of an address, in a quarter of an hour
_MOST_INVITED: Final = 1000  # by all users together; by one of them ten, as of every pair that is counted


def link_address(hub: Hub, secret: str) -> str:
    """Return where a link leads. The host is the hub's own, never one that a request named."""
    return f"{hub.url}{_PATH}{secret}"


class Invitations(Acting):
    """All invitations of the hub."""

    def __init__(self, db: Database, users: Users, hub: Hub, seat: Seat | None = None, by: Author = HUB) -> None:
        """Take what they lean on; `seat` is asked before somebody becomes a member."""
        super().__init__(by)
        self._db = db
        self._seat = seat
        self._users = users
        self._hub = hub
        self._throttle = Throttle(db, "link", _MOST_ASKED)
        self._inviting = Throttle(db, "invitation", _MOST_INVITED)

    async def invite_user(
        self, email: str, created_by: str, *, by_administrator: bool, inviter: int | None = None, lifetime_s: int = LIFETIME_S
    ) -> tuple[Link, str]:
        """Invite somebody to make an account; return the invitation, and its address when it was not sent.

        `inviter` is the account of whoever invites, under the name `created_by`; None for a command.

        Raises:
            EmailInvalid, SignUpClosed, TooManyAsked
        """
        if self._hub.signup == CLOSED and not by_administrator:
            raise SignUpClosed
        if not by_administrator:
            await self._count_invited(created_by)
        return await self._invite(_draft(Purpose.USER, email, created_by, inviter), lifetime_s)

    async def invite_member(
        self, organisation: str, whom: str, place: Place, created_by: str, *, by_administrator: bool, inviter: int | None = None
    ) -> tuple[Link, str]:
        """Invite a user, or whoever has an address of mail, into an organisation; return the same as `invite_user`.

        What is returned for an address does not tell whether anybody has an account with it.

        Raises:
            AccountUnknown, EmailInvalid, OrganisationUnknown, TooManyAsked
        """
        if not by_administrator:
            await self._count_invited(created_by)
        namespace = await self._db.read(organisation_named, organisation)
        account = None if "@" in whom else await self._users.find(whom)
        made = _draft(Purpose.MEMBER, whom if account is None else account.email or "", created_by, inviter)
        made = replace(
            made,
            namespace=namespace,
            organisation=organisation,
            role=place,
            account=account.id if account else None,
            makes_account=account is None and (by_administrator or self._hub.signup != CLOSED),
        )
        return await self._invite(made, LIFETIME_S)

    async def ask(self, email: str, network: str) -> None:
        """Have a link sent by which an account can be made, where everyone may; the answer is the same for every address.

        Raises:
            EmailInvalid, SignUpClosed, TooManyAsked
        """
        if self._hub.signup != OPEN or not self._hub.mails:
            raise SignUpClosed
        await count_asked(self._throttle, email, network)
        asked = LinkAsked(Purpose.USER, parse_email(email))
        await self._db.write(lambda tx: enqueue(tx, asked))

    async def sign_up(self, name: str, password: str, client: str) -> Account:
        """Make an account without an invitation, where everyone may and no mail can be sent.

        Raises:
            AddressMissing: mail can be sent; `ask` is the way.
            SignUpClosed, TooManyAsked, and what `Users.add` does
        """
        if self._hub.signup != OPEN:
            raise SignUpClosed
        if self._hub.mails:
            raise AddressMissing
        await count_asked(self._throttle, f"an account from {network_of(client)}", network_of(client))
        return await self._users.acting(Author(name, origin=Origin(client))).add(name, password)

    async def look(self, secret: str) -> Link:
        """Return the invitation whose secret this is. Raises LinkInvalid."""
        found = await self._db.read(links.by_secret, stored(secret))
        if found is None or found.purpose not in (Purpose.USER, Purpose.MEMBER):
            raise LinkInvalid
        return found

    async def accept(self, secret: str, name: str, password: str, client: str = "") -> Account:
        """Make an account by an invitation, and join the organisation that it leads into.

        Raises:
            EmailTaken: whoever has that address has an account; they `join`.
            LinkInvalid, and what `Users.add` does
        """
        link = await self.look(secret)
        if not link.makes_account:
            raise LinkInvalid
        # An address that nobody has shown to be theirs is not kept, and nobody is told whether somebody has it.
        email = link.email if link.is_mailed or link.inviter is None else None
        draft = await self._users.draft(name, password, email=email)

        async def make(tx: Transaction) -> None:
            await self._use(tx, link)
            by = Author(name, origin=Origin(client))
            made = await make_user(tx, draft, by, {"invitation": link.id})
            if link.is_mailed and link.email:
                await accounts.verify_email(tx, made, link.email)
            await self._join(tx, link, made, by)

        await self._db.write(make)
        return await self._users.find(name)

    async def join(self, secret: str, account: Account, client: str = "") -> Link:
        """Let somebody who has an account into the organisation that an invitation leads into. Raises LinkInvalid."""
        link = await self.look(secret)
        if link.purpose is not Purpose.MEMBER or link.account not in (None, account.id):
            raise LinkInvalid

        async def change(tx: Transaction) -> None:
            await self._use(tx, link)
            await self._join(tx, link, account.id, Author(account.name, origin=Origin(client)))

        await self._db.write(change)
        return link

    async def page(self, organisation: str, limit: int) -> list[Link]:
        """Return the open invitations, newest first; into an organisation, or all of them. Raises OrganisationUnknown."""
        into = await self._db.read(organisation_named, organisation) if organisation else None
        return await self._db.read(links.invitations, into, limit)

    async def revoke(self, id_: str, organisation: str = "") -> None:
        """Let an invitation hold no longer, one into that organisation or any. Raises InvitationUnknown."""

        async def end(tx: Transaction) -> None:
            found = await links.by_id(tx, id_)
            if found is None or organisation not in ("", found.organisation) or not await links.revoke(tx, id_):
                raise InvitationUnknown(id=id_)
            await record(tx, self._by, _about(Act.INVITATION_REVOKE, found))

        await self._db.write(end)

    async def prune(self) -> int:
        """Delete links of all kinds that expired a month ago."""
        return await self._db.write(lambda tx: links.prune(tx, seconds_us(_KEPT_S)), durable=False)

    async def _count_invited(self, by: str) -> None:
        """Count an invitation: the hub's mail is not for writing to strangers. Raises TooManyAsked."""
        await count_asked(self._inviting, "invitations", by)

    async def _invite(self, made: Link, lifetime_s: int) -> tuple[Link, str]:
        email = parse_email(made.email) if made.email else None
        made = replace(made, email=email, is_mailed=bool(email) and self._hub.mails)
        secret = "" if made.is_mailed else new_link_secret()

        async def store(tx: Transaction) -> None:
            await links.add(tx, made, stored(secret) if secret else None, seconds_us(lifetime_s))
            await record(tx, self._by, _about(Act.INVITATION_ADD, made))
            if made.is_mailed:
                await enqueue(tx, SendLink(made.id))

        await self._db.write(store)
        kept = await self._db.read(links.by_id, made.id)
        if kept is None:
            raise InvitationUnknown(id=made.id)
        return kept, link_address(self._hub, secret) if secret else ""

    async def _use(self, tx: Transaction, link: Link) -> None:
        """Use an invitation up whose maker may still invite; the organisation is locked. Raises LinkInvalid."""
        if link.namespace is not None:
            await organisations.lock(tx, link.namespace)
        is_good = await may_still_invite(tx, link, is_closed=self._hub.signup == CLOSED)
        if not is_good or not await links.use(tx, link.id):
            raise LinkInvalid

    async def _join(self, tx: Transaction, link: Link, account: int, by: Author) -> None:
        """Make somebody a member; whoever is one already keeps their place, so that nobody is made less by a link."""
        if link.namespace is None or link.role is None:
            return
        if await organisations.place_of(tx, link.namespace, account) is not None:
            return
        if self._seat is not None:
            await self._seat(tx, (link.namespace, link.organisation or ""))
        await organisations.set_place(tx, link.namespace, account, link.role)
        details = {"user": by.name, "role": link.role.value, "invitation": link.id, "invited_by": link.created_by}
        await record(tx, by, done(Act.MEMBER_SET, link.organisation or "", details))


async def count_asked(throttle: Throttle, subject: str, network: str) -> None:
    """Count that something was asked for which costs a mail or an account, whether it is given or not. Raises TooManyAsked."""
    subject = subject.casefold()
    try:
        await throttle.require(subject, network)
        await throttle.failed(subject, network)
    except TooManySignIns as refused:
        raise TooManyAsked(refused.retry_after_s or 1) from None


def _about(act: Act, link: Link) -> Deed:
    """Return an act upon an invitation; the address that it is for is personal, and is not written down."""
    role = link.role.value if link.role else None
    return Deed(act, link.organisation or "", link.id, {"role": role, "mailed": link.is_mailed})


def _draft(purpose: Purpose, email: str, created_by: str, inviter: int | None) -> Link:
    return Link(
        str(uuid.uuid4()),
        purpose,
        account=None,
        namespace=None,
        organisation=None,
        email=email,
        role=None,
        is_mailed=False,
        makes_account=True,
        created_by=created_by,
        inviter=inviter,
    )
