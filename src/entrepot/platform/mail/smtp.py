"""Handing mail to a server by SMTP, in a thread, with a certificate that is checked; nothing goes in the clear unasked."""

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import Final

from entrepot.base.mailing import SmtpServer
from entrepot.platform.mail.mail import Mail, MailRefused, MailUndeliverable

_log: Final = logging.getLogger(__name__)
_TIMEOUT_S: Final = 20.0  # of each word of the conversation
_PERMANENT: Final = range(500, 600)


class Mailer:
    """Hands mail over; each one in a conversation of its own."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Hand a mail over. When it returns, the server has taken it. Raises MailRefused, MailUndeliverable."""
        message = self._message(mail)
        await asyncio.to_thread(self._talk, lambda connection: connection.send_message(message, self._sender, [mail.to]))
        _log.info("mail_sent", extra={"subject_length": len(mail.subject)})

    async def greet(self) -> None:
        """Speak to the server and sign in, and send nothing. Raises MailUndeliverable."""
        await asyncio.to_thread(self._talk, lambda connection: connection.noop())

    def _talk(self, what: Callable[[smtplib.SMTP], object]) -> None:
        where = f"{self._server.host}:{self._server.port}"
        try:
            with self._connected() as connection:
                what(connection)
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
