"""Proving who somebody is: by a password, by a token or a robot's secret, or by a token that the registry issued for these."""

from contextlib import suppress

import msgspec

from entrepot.base.errors import Unavailable
from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.model import Actor
from entrepot.domain.accounts.errors import PasswordNotEnough, SignInRefused
from entrepot.domain.accounts.model import Account, Credential, Kind
from entrepot.domain.accounts.secrets import is_secret
from entrepot.domain.accounts.service.credentials import Credentials
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import Author, Origin


def actor_of(account: Account) -> Actor:
    """Return the actor that a user is who proved who they are by themselves."""
    return Actor(account.name, account.id, account.generation, account.is_admin)


class Identity:
    """Tells who sent a request, and whether they still are who they were."""

    def __init__(self, users: Users, credentials: Credentials) -> None:
        self._users = users
        self._credentials = credentials

    async def basic(self, name: str, secret: str, client: str) -> Actor:
        """Return who has that name and that password or token; `client` is their address.

        Raises:
            PasswordNotEnough, SignInRefused, TooManySignIns, Unavailable
        """
        if is_secret(secret):
            return await self._with_token(name, secret, client)
        account = await self._users.sign_in(name, secret, client)
        if account.second_factor_at is not None:
            raise PasswordNotEnough
        return actor_of(account)

    async def _with_token(self, name: str, secret: str, client: str) -> Actor:
        try:
            held = await self._credentials.proved(name, secret, client)
            actor = await self._holder(held)
        except SignInRefused:
            with suppress(Unavailable):  # the refusal is the answer, also while nothing can be written down
                await self._credentials.refused(secret, client)
            raise
        # Whoever proved who they are may pull, also while nothing can be written down.
        with suppress(Unavailable):
            await self._credentials.used(held, Author(actor.name, held.id, Origin(client)))
        return actor

    async def still(self, actor: Actor) -> Actor:
        """Return the actor as they are now: what they signed in with may have been revoked, and they may have been locked out.

        Raises:
            TokenRefused
        """
        if actor.credential:
            held = await self._credentials.holding(actor.credential)
            if held is None:
                raise TokenRefused
            try:
                now = await self._holder(held)
            except SignInRefused:
                raise TokenRefused from None
        else:
            account = await self._users.active(actor.account)
            if account is None or account.generation != actor.generation:
                raise TokenRefused
            now = actor_of(account)
        return msgspec.structs.replace(now, granted=actor.granted, origin=actor.origin)

    async def _holder(self, held: Credential) -> Actor:
        if held.kind is not Kind.PERSONAL or held.account is None:
            name = f"{held.owner}+{held.name}" if held.kind is Kind.ROBOT else held.owner
            return Actor(name, credential=held.id, owner=held.owner, terms=held.terms)
        account = await self._users.active(held.account)
        if account is None:
            raise SignInRefused
        return Actor(account.name, account.id, account.generation, account.is_admin, held.id, terms=held.terms)
