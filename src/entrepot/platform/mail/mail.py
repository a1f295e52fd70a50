"""A mail, and why it may not be taken. What speaks to the server is beside this: it takes 5 MB that few processes need."""

import msgspec

from entrepot.base.errors import EntrepotError


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
