"""Writing mail: what the jobs of mail do, and the notices that are due."""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

from entrepot.base.errors import EntrepotError
from entrepot.domain.accounts.events import LinkAsked, SendLink, SendNotice
from entrepot.domain.accounts.mails import Notice, Occasion, written
from entrepot.domain.accounts.model import Hub, Language, Link
from entrepot.domain.accounts.queries import accounts, credentials, links
from entrepot.domain.accounts.secrets import new_link_secret, stored
from entrepot.domain.accounts.service.invitations import link_address
from entrepot.domain.accounts.service.recovery import grant_link
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import Context, enqueue
from entrepot.platform.mail.mail import Mail, MailRefused

_log: Final = logging.getLogger(__name__)
_DAYS: Final = (3, 14)  # before a token's end its owner is told; the nearest first
_BATCH: Final = 100
_SECOND_US: Final = 1_000_000


class MailNotSet(EntrepotError):
    """No server is named that mail could be handed to."""

    summary = "no mail can be sent: name a server with --smtp, and with --mail-from the address that mail is sent from"


class Sender(Protocol):
    """Hands mail over."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail over. Raises MailRefused, MailUndeliverable."""


class Post:
    """Writes to people; without a sender it refuses to."""

    def __init__(self, db: Database, hub: Hub, sender: Sender | None) -> None:
        self._db = db
        self._hub = hub
        self._sender = sender

    async def grant_link(self, context: Context, asked: LinkAsked) -> None:
        """Find out whether somebody gets the link that they asked for."""
        await context.finish(lambda tx: grant_link(tx, asked))

    async def send_link(self, context: Context, job: SendLink) -> None:
        """Draw the secret of a link and send it; one that does not hold any more is not sent."""
        link = await self._db.read(links.by_id, job.link)
        if link is None or link.email is None:
            return
        account = await self._db.read(accounts.by_email, link.email) if link.account is None else None
        if link.account is not None:
            account = await self._db.read(accounts.by_id, str(link.account))
        secret = new_link_secret()
        if not await context.write(partial(links.draw, id_=link.id, secret=stored(secret))):
            return
        facts = {"name": account.name if account else "", **self._about(link), "link": link_address(self._hub, secret)}
        await self._send(link.email, link.purpose, account.language if account else Language.ENGLISH, facts)

    async def send_notice(self, _context: Context, job: SendNotice) -> None:
        """Send a notice."""
        await self._send(job.to, Notice(job.notice), job.language, job.facts)

    async def test(self, address: str) -> None:
        """Send a mail now. Raises MailNotSet, MailUndeliverable."""
        if self._sender is None:
            raise MailNotSet
        await self._sender.send(Mail(address, *written(Notice.TEST, Language.ENGLISH, {"hub": self._name})))

    async def notice_tokens(self) -> int:
        """Have those written to whose tokens expire soon, once 14 and once 3 days before; return how many."""
        count = 0
        for days in _DAYS:
            while mails := await self._db.write(partial(_notice, days=days)):
                count += sum(mails)
        return count

    @property
    def _name(self) -> str:
        return urlsplit(self._hub.url).netloc

    def _about(self, link: Link) -> dict[str, str]:
        return {"organisation": link.organisation or "", "by": link.created_by, "until": _day(link.expires_at, with_time=True)}

    async def _send(self, to: str, occasion: Occasion, language: Language, facts: dict[str, str]) -> None:
        if self._sender is None:
            raise MailNotSet
        try:
            await self._sender.send(Mail(to, *written(occasion, language, {**facts, "hub": self._name})))
        except MailRefused as refused:  # it would be refused again
            _log.warning("mail_refused", extra={"occasion": occasion.value, "reason": refused.message})


async def _notice(tx: Transaction, days: int) -> list[int]:
    """Have some told, and return how many are for each token; one counts as told of in the transaction that enqueues the mail."""
    found = await credentials.expiring(tx, days, _BATCH)
    mails = []
    for each in found:
        await credentials.note_notice(tx, each.id, days)
        facts = {"name": each.owner, "token": each.name, "until": _day(each.expires_at)}
        told = await credentials.told(tx, each.namespace)
        mails.append(len(told))
        for email, language in told:
            await enqueue(tx, SendNotice(email, Notice.TOKEN_EXPIRES, facts, language))
    return mails


def _day(at_us: int, *, with_time: bool = False) -> str:
    at = datetime.fromtimestamp(at_us // _SECOND_US, UTC)
    return at.strftime("%Y-%m-%d %H:%M UTC" if with_time else "%Y-%m-%d")
