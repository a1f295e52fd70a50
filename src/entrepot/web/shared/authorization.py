"""Who sent a request, by its Authorization header: the gate of `--access accounts`."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

from entrepot.base.addresses import in_networks
from entrepot.base.errors import EntrepotError
from entrepot.domain.access.errors import TokenRefused, Unproven
from entrepot.domain.access.model import Actor
from entrepot.domain.access.service.identity import Identity
from entrepot.domain.access.service.tokens import Tokens
from entrepot.domain.accounts.secrets import is_secret
from entrepot.web.shared.call import Call
from entrepot.web.shared.gate import HostRepeated
from entrepot.web.shared.origin import origin_of

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,255}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_LONGEST: Final = 8192  # bytes of a name and a secret
_BEARERS: Final = (b"bearer", b"jwt")  # the second is what clients of Docker Hub's interface say
_PING: Final = (b"/v2/", b"/v2")


class CredentialsUnreadable(EntrepotError):
    """The Authorization header is of no kind that is known here, or not of its form."""

    summary = "the Authorization header cannot be read: send Basic with a name and a secret, or Bearer with a token"


class AccountsGate:
    """The rule of `--access accounts`: everybody may come in, and is who they prove to be."""

    def __init__(self, identity: Identity, tokens: Tokens, public_url: str, trusted_proxies: Sequence[str] = ()) -> None:
        self._identity = identity
        self._tokens = tokens
        self._public_url = public_url
        self._trusted = trusted_proxies

    async def check(self, call: Call) -> None:
        """Find out who sends the request.

        Raises:
            CredentialsUnreadable, HostRepeated, SignInRefused, TokenRefused, TooManySignIns, Unavailable, Unproven
        """
        call.challenged_as = self._public_url
        if call.repeats(b"host"):
            raise HostRepeated
        self.locate(call)
        header = call.headers.get(b"authorization")
        if header is None:
            if call.path in _PING:
                # A client that is told 200 here takes the registry for one without accounts, and never signs in.
                raise Unproven(action="use", repository="this registry", scope="")
            return
        kind, _, value = header.partition(b" ")
        if kind.lower() == b"bearer":
            call.actor = await self._tokens.read(value.strip().decode("latin-1"))
        elif kind.lower() == b"basic":
            call.actor = await self.basic(call)
        else:
            raise CredentialsUnreadable

    def locate(self, call: Call) -> None:
        """Note in the call where it comes from, when trusted proxies say so."""
        if self._trusted:
            call.origin = origin_of(call.client, call.header(b"x-forwarded-for"), self._trusted)

    async def basic(self, call: Call) -> Actor:
        """Return who a Basic header proves somebody to be. Raises CredentialsUnreadable, SignInRefused, TooManySignIns."""
        name, secret = _read(call.headers.get(b"authorization", b""))
        return await self._identity.basic(name, secret, call.client)


class ApiGate:
    """Who sends a request to the JSON interface: everybody may come in, and is who they are at this moment.

    Nothing is read here that a browser sends by itself: whoever reads a cookie here must also see to it that the request was made
    by a page of ours.
    """

    def __init__(self, entrance: AccountsGate, identity: Identity, tokens: Tokens) -> None:
        self._entrance = entrance
        self._identity = identity
        self._tokens = tokens

    async def check(self, call: Call) -> bool:
        """Find out who sends the request; tell whether they proved it by a token of this interface.

        Basic has a name with a password, a token's secret or a robot's; Bearer a token of this interface, or a secret.

        Raises:
            CredentialsUnreadable, HostRepeated, SignInRefused, TokenRefused, TooManySignIns, Unavailable
        """
        if call.repeats(b"host"):
            raise HostRepeated
        self._entrance.locate(call)
        header = call.headers.get(b"authorization")
        if header is None:
            return False
        kind, _, value = header.partition(b" ")
        if kind.lower() == b"basic":
            call.actor = await self._entrance.basic(call)
            return False
        if kind.lower() not in _BEARERS:
            raise CredentialsUnreadable
        token = value.strip().decode("latin-1")
        if is_secret(token):
            call.actor = await self._identity.basic("", token, call.client)
            return False
        actor = await self._identity.still(await self._tokens.read_for_api(token))
        if actor.terms is not None and not in_networks(call.client, actor.terms.networks):
            raise TokenRefused
        call.actor = actor
        return True


def service_of(call: Call, public_url: str) -> tuple[str, str]:
    """Return the scheme and the host under which the client reached us: what the administrator said, or what it says itself."""
    if public_url:
        scheme, _, host = public_url.partition("://")
        return scheme, host
    host = call.header(b"host")
    return call.scheme, host if _HOST.fullmatch(host) else "localhost"


def _read(header: bytes) -> tuple[str, str]:
    kind, _, value = header.partition(b" ")
    if kind.lower() != b"basic" or len(value) > _LONGEST:
        raise CredentialsUnreadable
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise CredentialsUnreadable from None
    if not colon or not name.isprintable() or "\0" in secret:
        raise CredentialsUnreadable
    return name, secret
