"""Handing mail to a server by SMTP, in a thread, with a certificate that is checked; nothing goes in the clear unasked."""

import asyncio
import logging
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.base.mailing import SmtpServer

_log: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 20.0  # of each word of the conversation
_PERMANENT: Final = range(500, 600)


class MailUndeliverable(EntrepotError):
    """The server did not take a mail; it may take it later."""

    summary = "the mail server {server} did not take the mail: {reason}"


class MailRefused(MailUndeliverable):
    """The server will never take this mail: there is no such address, or it does not send there."""


class Mail(msgspec.Struct, frozen=True):
    """One mail to one person."""

    to: str
    subject: str
    text: str


class Mailer:
    """Hands mail over; each one in a conversation of its own."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Hand a mail over. When it returns, the server has taken it. Raises MailRefused, MailUndeliverable."""
        await asyncio.to_thread(self._send, mail)
        _log.info("mail_sent", extra={"subject_length": len(mail.subject)})

    def _send(self, mail: Mail) -> None:
        where = f"{self._server.host}:{self._server.port}"
        try:
            with self._connected() as connection:
                connection.send_message(self._message(mail), self._sender, [mail.to])
        except smtplib.SMTPRecipientsRefused as refused:
            code, told = next(iter(refused.recipients.values()))
            kind = MailRefused if code in _PERMANENT else MailUndeliverable
            raise kind(server=where, reason=f"{code} {_plain(told)}") from None
        except smtplib.SMTPResponseException as error:
            raise MailUndeliverable(server=where, reason=f"{error.smtp_code} {_plain(error.smtp_error)}") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise MailUndeliverable(server=where, reason=f"{type(error).__name__}: {error}") from None

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "none":
            return smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
        trust = ssl.create_default_context()
        if server.ca:
            trust.load_verify_locations(server.ca)
        if server.tls == "implicit":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=trust)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
        try:
            if server.tls == "starttls":
                connection.starttls(context=trust)
            if server.user:
                connection.login(server.user, server.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = Address("Entrepot", addr_spec=self._sender)
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine is wanted
        message.set_content(mail.text)
        return message


def _plain(told: bytes | str) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else told
