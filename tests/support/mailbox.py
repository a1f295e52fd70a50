"""A real SMTP server in the test's own event loop, which keeps what it was handed."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from support.certificates import Authority

USER: Final = "hub"
SECRET: Final = "a p/ssword"  # noqa: S105 - of the server that the tests make
SENDER: Final = "hub@example.com"
Mode = Literal["starttls", "implicit", "none"]


class Mailbox:
    """What came, newest last; `refuses` are addresses that it will never take, `busy` that it takes nothing at the moment."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.secure: list[bool] = []
        self.refuses: set[str] = set()
        self.busy = False
        self.url = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take an address, or do not."""
        if self.busy:
            return "451 come back later"
        if address in self.refuses:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        assert server.transport is not None
        self.secure.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 kept"

    def text(self) -> str:
        """Return the text of the newest mail."""
        return str(self.mails[-1].get_content()).replace("\r\n", "\n")

    def link(self) -> str:
        """Return the secret of the link in the newest mail."""
        (found,) = [word for word in self.text().split() if "/accounts/links/" in word]
        return found.rpartition("/")[2]


@asynccontextmanager
async def mailbox(folder: Path | None = None, mode: Mode = "none", names: str = "DNS:localhost") -> AsyncIterator[Mailbox]:
    """Serve a mailbox; with TLS its certificate is for `names`, and its authority stands in the address."""
    box, trust, options = Mailbox(), None, ""
    if mode != "none":
        assert folder is not None
        trust, authority = await asyncio.to_thread(_certificate, folder, names)
        options = f"?ca={authority}"
    server = await asyncio.get_running_loop().create_server(
        _protocol(box, mode, trust), "localhost", 0, ssl=trust if mode == "implicit" else None
    )
    port = server.sockets[0].getsockname()[1]
    login = f"{USER}:{SECRET.replace(' ', '%20').replace('/', '%2F')}@" if trust else ""
    box.url = f"{'smtps' if mode == 'implicit' else 'smtp'}://{login}localhost:{port}{options or '?tls=none'}"
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


def _protocol(box: Mailbox, mode: Mode, trust: ssl.SSLContext | None) -> Callable[[], SMTP]:
    about: dict[str, Any] = {"hostname": "localhost", "loop": asyncio.get_running_loop()}
    if trust is not None:
        # With TLS from the start it does not see that there is one, and would warn of signing in without.
        about |= {"authenticator": _authenticated, "auth_require_tls": mode == "starttls"}
    if mode == "starttls":
        about |= {"tls_context": trust, "require_starttls": True, "auth_required": True}
    return lambda: SMTP(box, **about)


def _authenticated(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    is_ours = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), SECRET.encode())
    return AuthResult(success=is_ours, handled=False)


def _certificate(folder: Path, names: str) -> tuple[ssl.SSLContext, Path]:
    authority = Authority.make(folder)
    pair = authority.sign("mail", names=names)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(*pair)
    return trust, authority.file
