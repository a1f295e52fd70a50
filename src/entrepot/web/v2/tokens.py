"""The token service: Distribution's "Token Authentication" (GET) and its OAuth 2 form (POST), and the keys that it signs with.

Clients look for `token` or for `access_token`, so both are there; whatever they ask for and may not have is left out, which is
no error. No refresh token is given: clients would keep it instead of the password or the token that they were told.
"""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from entrepot.base.errors import EntrepotError
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.identity import Identity
from entrepot.domain.access.service.tokens import Tokens
from entrepot.spec.oci.scopes import parse_scopes
from entrepot.web.shared.authorization import AccountsGate
from entrepot.web.shared.call import Answer, Call, Header
from entrepot.web.v2.errors import oci_error
from entrepot.web.v2.requests import FormInvalid, GrantUnknown, MethodUnknown
from entrepot.web.v2.wire import json_answer

_LARGEST: Final = 64 << 10
_MOST_FIELDS: Final = 200
_UNSTORED: Final[Header] = (b"cache-control", b"no-store")
_PUBLISHED: Final[Header] = (b"cache-control", b"max-age=300")


class TokenService:
    """Answers under /token."""

    def __init__(self, gate: AccountsGate, identity: Identity, tokens: Tokens) -> None:
        self._gate = gate
        self._identity = identity
        self._tokens = tokens

    async def answer(self, call: Call) -> Answer:
        """Issue a token, or tell why not."""
        self._gate.locate(call)
        try:
            if call.method in ("GET", "HEAD"):
                actor = await self._gate.basic(call) if b"authorization" in call.headers else ANYONE
                return await self._issued(actor, call.all("scope"))
            if call.method == "POST":
                return await self._for_form(call)
            raise MethodUnknown(call.method, "GET, HEAD, POST")
        except EntrepotError as error:
            return oci_error(error, call)

    async def keys(self, call: Call) -> Answer:
        """Return the public keys (RFC 7517)."""
        try:
            return json_answer(200, {"keys": await self._tokens.public_keys()}, _PUBLISHED)
        except EntrepotError as error:
            return oci_error(error, call)

    async def _for_form(self, call: Call) -> Answer:
        body = await call.body(at_most=_LARGEST)
        try:
            form = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        except ValueError:
            raise FormInvalid from None
        fields = dict(form)
        grant = fields.get("grant_type", "")
        if grant == "password":
            name, secret = fields.get("username", ""), fields.get("password", "")
        elif grant == "refresh_token":
            # What a client keeps that has no name for it: containerd sends any secret without a name so.
            name, secret = "", fields.get("refresh_token", "")
        else:
            raise GrantUnknown(grant=grant)
        actor = await self._identity.basic(name, secret, call.client)
        return await self._issued(actor, [value for key, value in form if key == "scope"])

    async def _issued(self, actor: Actor, scopes: list[str]) -> Answer:
        issued = await self._tokens.issue(actor, parse_scopes(scopes))
        told = {
            "token": issued.token,
            "access_token": issued.token,
            "expires_in": issued.expires_in,
            "issued_at": datetime.fromtimestamp(issued.issued_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "token_type": "Bearer",
            "scope": " ".join(f"repository:{name}:{','.join(actions)}" for name, actions in issued.access.items()),
        }
        return json_answer(200, told, _UNSTORED)
