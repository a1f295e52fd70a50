"""Who reads a page, told by the cookie that this browser was given at sign-in, and which forms are theirs.

A form is believed when the browser says that a page of this hub sent it (its `Origin`, else `Sec-Fetch-Site`), and, of somebody
who is signed in, when it has the mark of their session: neither can be had by a page of another site.
"""

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.domain.access.service.identity import actor_of
from entrepot.domain.accounts.model import Account
from entrepot.domain.accounts.service.sessions import LIFETIME_S, Browser, Sessions
from entrepot.web.shared.call import Call, Header

LARGE: Final = 256 << 10  # of a form with a text
_LARGEST: Final = 16 << 10
_NONCE_BYTES: Final = 16
_MOST_FIELDS: Final = 100
_LONGEST_SECRET: Final = 200
MARK: Final = "form"


class FormRefused(EntrepotError):
    """The form was not sent by a page of this hub, or by one from before the last sign-in."""

    summary = "the form was not sent by a page of this hub, or the page is from before you signed in: load it again"


class FormUnreadable(EntrepotError):
    """The body is no form."""

    summary = "what was sent is no form (application/x-www-form-urlencoded)"


class Visitor(msgspec.Struct, frozen=True):
    """Somebody who is signed in: their account, and the secret of their session."""

    account: Account
    secret: str
    session: str = ""  # its id

    @property
    def mark(self) -> str:
        """What each form of theirs has, another one each time: what pages repeat can be found by their compressed lengths."""
        nonce = secrets.token_hex(_NONCE_BYTES)
        return nonce + self._proof(nonce)

    def marked(self, mark: str) -> bool:
        """Tell whether a form has a mark of this session's."""
        nonce, proof = mark[: 2 * _NONCE_BYTES], mark[2 * _NONCE_BYTES :]
        return hmac.compare_digest(proof.encode(), self._proof(nonce).encode())

    def _proof(self, nonce: str) -> str:
        return hmac.new(self.secret.encode(), f"{MARK} {nonce}".encode(), hashlib.sha256).hexdigest()


class Visits:
    """Recognises visitors, and lets them in and out; `scheme` is the one that the browser came by."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def recognise(self, call: Call, scheme: str) -> Visitor | None:
        """Return who is signed in with this browser, and let the request be theirs. Raises Unavailable."""
        secret = cookies(call).get(_cookie(scheme), "")
        if not secret or len(secret) > _LONGEST_SECRET or not secret.isascii():
            return None
        found = await self._sessions.find(secret, call.client)
        if found is None:
            return None
        call.actor = actor_of(found[0])
        return Visitor(found[0], secret, found[1].id)

    async def begin(self, call: Call, scheme: str, account: Account) -> Header:
        """Sign somebody in who has just proved who they are; return the header that tells the browser. Raises SignInRefused."""
        _, header = await self.begun(call, scheme, account)
        return header

    async def begun(self, call: Call, scheme: str, account: Account) -> tuple[Visitor, Header]:
        """Do the same, and return who is signed in from now on too. Raises SignInRefused."""
        had = cookies(call).get(_cookie(scheme), "")[:_LONGEST_SECRET]
        secret = await self._sessions.start(account, Browser(call.client, call.header(b"user-agent"), had))
        found = await self._sessions.find(secret, call.client)
        return Visitor(account, secret, found[1].id if found else ""), _set(scheme, secret, LIFETIME_S)

    async def end(self, visitor: Visitor | None, scheme: str) -> Header:
        """Sign out; return the header that tells the browser."""
        if visitor is not None:
            await self._sessions.end_this(visitor.secret)
        return _set(scheme, "", 0)


def cookies(call: Call) -> dict[str, str]:
    """Return what the browser was told to remember."""
    pairs = (each.strip().partition("=") for each in call.header(b"cookie").split(";"))
    return {name: value for name, _, value in pairs}


async def read_form(call: Call, place: tuple[str, str], visitor: Visitor | None, *, at_most: int = _LARGEST) -> dict[str, str]:
    """Return the fields of a form that a page of this hub sent, the last of each name; `place` is its scheme and host.

    Raises:
        FormRefused, FormUnreadable, BodyTooLarge, BodyInterrupted, BodyTooSlow
    """
    if not _is_from_here(call, *place):
        raise FormRefused
    if call.header(b"content-type").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormUnreadable
    body = await call.body(at_most=at_most)
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise FormUnreadable from None
    form = {name: value.replace("\r\n", "\n") for name, value in fields}
    if any("\0" in value for value in form.values()):
        raise FormUnreadable
    if visitor is not None and not visitor.marked(form.get(MARK, "")):
        raise FormRefused
    return form


def place_after(asked: str | None) -> str:
    """Return the address of ours to go to after a form; what leads elsewhere leads to the start."""
    if not asked or not asked.startswith("/") or asked.startswith("//") or not asked.isascii() or not asked.isprintable():
        return "/"
    return "/" if "\\" in asked else asked


def _is_from_here(call: Call, scheme: str, host: str) -> bool:
    """Tell whether the browser says so. Where we are reached by HTTP, a proxy before us may have been by HTTPS."""
    origin = call.header(b"origin")
    if origin:
        try:
            parts = urlsplit(origin)
            asked, own = _host(parts.scheme, parts.netloc), _host(scheme, host)
        except ValueError:
            return False
        return (asked == own or (scheme == "http" and parts.netloc.lower() == host.lower())) and parts.scheme in ("https", scheme)
    return call.header(b"sec-fetch-site") == "same-origin"


def _host(scheme: str, netloc: str) -> str:
    """Return a host as browsers write it in an origin: without the port that its scheme has anyway."""
    return netloc.lower().removesuffix({"https": ":443", "http": ":80"}.get(scheme, ":"))


def _cookie(scheme: str) -> str:
    """Return the cookie's name: by HTTPS one that no other host, and no page that came without, can have set."""
    return "__Host-entrepot" if scheme == "https" else "entrepot"


def _set(scheme: str, secret: str, lifetime_s: int) -> Header:
    secure = "; Secure" if scheme == "https" else ""
    return b"set-cookie", f"{_cookie(scheme)}={secret}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Lax{secure}".encode()
