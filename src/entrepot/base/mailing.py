"""Where mail is handed over: the value of `--smtp`, taken apart; and what an address of mail looks like."""

import re
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

# Narrower than RFC 5322 (a dot-atom at a host's name, ASCII): nothing of it means anything in a header, a shell or a page.
_ADDRESS: Final = re.compile(r"(?=.{1,64}@.{1,190}\Z)[\w+/=?^{|}~!#$%&*-]+(\.[\w+/=?^{|}~!#$%&*-]+)*@[\w-]+(\.[\w-]+)*", re.ASCII)
_PORTS: Final = {"smtp": 587, "smtps": 465}
_OPTIONS: Final = {"tls", "ca"}


class SmtpUnreadable(ValueError):
    """The address of the mail server cannot be read; the text says why."""


class SmtpServer(msgspec.Struct, frozen=True):
    """A mail server: how it is spoken to, and as whom. `ca` is a PEM file to trust beside what the machine trusts."""

    host: str
    port: int
    tls: Literal["starttls", "implicit", "none"]
    user: str = ""
    password: str = ""
    ca: str = ""


def parse_address(text: str) -> str:
    """Return an address as it is stored and compared: in lower case. Raises ValueError."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(text)
    return text.lower()


def parse_smtp(text: str) -> SmtpServer:
    """Take the setting apart. Raises SmtpUnreadable, a ValueError, with the reason."""
    parts = urlsplit(text)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise SmtpUnreadable("it has no host, or is neither smtp:// nor smtps://")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not options.keys() <= _OPTIONS:
        raise SmtpUnreadable("it has an option other than tls and ca")
    if options.get("tls", "none") != "none" or ("tls" in options and parts.scheme == "smtps"):
        raise SmtpUnreadable("its option tls can only be none, and only of smtp://")
    if "tls" in options and parts.username:
        raise SmtpUnreadable("it has a password, which would be sent in the clear: leave tls=none away")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise SmtpUnreadable("its port is none") from None
    tls: Literal["starttls", "implicit", "none"] = "implicit" if parts.scheme == "smtps" else "starttls"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(parts.hostname, port, "none" if "tls" in options else tls, user, password, options.get("ca", ""))
