"""The registry's own tokens: what clients get for a password or a token, and show with each request for some minutes.

They are never believed for longer than what they were issued for: whoever may not any more what such a token names is refused,
because `rule.py` asks the database for everything that is not public.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from entrepot.base.remembered import Remembered
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.model import ANYONE, Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.accounts.service.keys import Keys
from entrepot.platform.secrets.signed import SignatureRefused, key_of, verified
from entrepot.spec.oci.names import NameInvalid, RepositoryName
from entrepot.spec.oci.scopes import Scope

LIFETIME_S: Final = 300
API_LIFETIME_S: Final = 900
_STEP_LIFETIME_S: Final = 300
PURPOSE: Final = "registry tokens"
_KIND: Final = "entrepot-registry+jwt"
_AUDIENCE: Final = "entrepot registry"
# Of the JSON interface: neither is taken for the other.
_API_KIND: Final = "entrepot-api+jwt"
_API_AUDIENCE: Final = "entrepot api"
# Of signing in in two steps: it proves a password, and opens nothing by itself.
_STEP_KIND: Final = "entrepot-second-step+jwt"
_STEP_AUDIENCE: Final = "entrepot second step"
_EARLIER_S: Final = 10  # clocks of nodes differ
_WORDS: Final = {"pull": Action.PULL, "push": Action.PUSH, "delete": Action.DELETE}
_MEMORY_BYTES: Final = 4 << 20
_WEIGHT: Final = 1500
_LONGEST: Final = 60_000


class Issued(msgspec.Struct, frozen=True):
    """A token, its lifetime in seconds, when it was issued (seconds since 1970 UTC), and what it is for."""

    token: str
    expires_in: int
    issued_at: int
    access: Mapping[str, Sequence[str]]


class Tokens:
    """Issues and reads them."""

    def __init__(self, keys: Keys, rule: Rule) -> None:
        self._keys = keys
        self._rule = rule
        self._read: Remembered[bytes, tuple[Actor, float]] = Remembered(_MEMORY_BYTES)

    async def issue(self, actor: Actor, scopes: Iterable[Scope]) -> Issued:
        """Return a token for as much of what is asked for as the actor may do, which may be nothing. Raises Unavailable."""
        access = await self._granted(actor, scopes)
        claims = _claims(actor, _AUDIENCE, LIFETIME_S)
        claims["access"] = [{"type": "repository", "name": name, "actions": actions} for name, actions in access.items()]
        token = (await self._keys.newest()).sign(claims, _KIND)
        return Issued(token, LIFETIME_S, claims["iat"], access)

    async def issue_for_api(self, actor: Actor) -> Issued:
        """Return a token for the JSON interface, which proves who somebody is and grants nothing. Raises Unavailable."""
        claims = _claims(actor, _API_AUDIENCE, API_LIFETIME_S)
        token = (await self._keys.newest()).sign(claims, _API_KIND)
        return Issued(token, API_LIFETIME_S, claims["iat"], {})

    async def read_for_api(self, token: str) -> Actor:
        """Return who a token for the JSON interface was issued for; that they still are is to be asked.

        Raises:
            TokenRefused, Unavailable
        """
        claims = await self._verified(token, _API_KIND, _API_AUDIENCE)
        return _holder(claims)

    async def issue_second_step(self, actor: Actor) -> str:
        """Return a token by which whoever proved a password goes on to the second factor. Raises Unavailable."""
        return (await self._keys.newest()).sign(_claims(actor, _STEP_AUDIENCE, _STEP_LIFETIME_S), _STEP_KIND)

    async def read_second_step(self, token: str) -> Actor:
        """Return whose password was proved; that it still is theirs is to be asked. Raises TokenRefused, Unavailable."""
        return _holder(await self._verified(token, _STEP_KIND, _STEP_AUDIENCE))

    async def read(self, token: str) -> Actor:
        """Return who a token was issued for, and for what; that they still may is for the rule to see.

        Raises:
            TokenRefused, Unavailable
        """
        if len(token) > _LONGEST:
            raise TokenRefused
        mark = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._read.get(mark)
        if found is not None:
            actor, until = found
            if until > time.time():
                return actor
            self._read.forget(mark)
            raise TokenRefused
        claims = await self._verified(token, _KIND, _AUDIENCE)
        actor = _actor(claims)
        self._read.put(mark, (actor, float(claims["exp"])), _WEIGHT + len(token))
        return actor

    async def _verified(self, token: str, kind: str, audience: str) -> dict[str, Any]:
        key = await self._keys.find(key_of(token)) if len(token) <= _LONGEST else None
        if key is None:
            raise TokenRefused
        try:
            return verified(token, key.public, kind, audience)
        except SignatureRefused:
            raise TokenRefused from None

    async def public_keys(self) -> list[dict[str, str]]:
        """Return the public keys that tokens are signed with, as JWKs."""
        return await self._keys.public()

    async def _granted(self, actor: Actor, scopes: Iterable[Scope]) -> dict[str, list[str]]:
        access: dict[str, list[str]] = {}
        for scope in scopes:
            if scope.type != "repository":
                continue
            try:
                name = RepositoryName.parse(scope.name)
            except NameInvalid:
                continue
            wanted = _WORDS if "*" in scope.actions else [word for word in scope.actions if word in _WORDS]
            allowed = access.setdefault(scope.name, [])
            for word in wanted:
                if word not in allowed and await self._rule.may(actor, _WORDS[word], name):
                    allowed.append(word)
        return {name: actions for name, actions in access.items() if actions}


def _actor(claims: Mapping[str, Any]) -> Actor:
    access: dict[str, frozenset[str]] = {}
    for each in claims["access"]:
        stored = RepositoryName.parse(each["name"]).stored
        access[stored] = access.get(stored, frozenset()) | frozenset(each["actions"])
    return msgspec.structs.replace(_holder(claims) if claims["sub"] else ANYONE, granted=access)


def _holder(claims: Mapping[str, Any]) -> Actor:
    return Actor(claims["sub"], claims["account"], claims["generation"], credential=claims["credential"], owner=claims["owner"])


def _claims(actor: Actor, audience: str, lifetime_s: int) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "entrepot",
        "sub": "" if actor == ANYONE else actor.name,
        "aud": audience,
        "iat": now,
        "nbf": now - _EARLIER_S,
        "exp": now + lifetime_s,
        "jti": os.urandom(12).hex(),
        "account": actor.account,
        "generation": actor.generation,
        "credential": actor.credential,
        "owner": actor.owner,
    }
