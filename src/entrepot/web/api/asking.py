"""What a handler is given: the verbs that it may call, and who asks."""

from collections.abc import Callable
from typing import Annotated, Final, NamedTuple, Protocol

import msgspec
from fastapi import Depends, Request

from entrepot.domain.access.model import Actor
from entrepot.domain.access.service.identity import Identity
from entrepot.domain.access.service.permits import Permits
from entrepot.domain.access.service.tokens import Tokens
from entrepot.domain.accounts.service.credentials import Credentials
from entrepot.domain.accounts.service.factors import SecondFactors
from entrepot.domain.accounts.service.invitations import Invitations
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.domain.accounts.service.own import OwnAccounts
from entrepot.domain.accounts.service.recovery import Recovery
from entrepot.domain.accounts.service.sessions import Sessions
from entrepot.domain.accounts.service.users import Users
from entrepot.domain.audit.model import Author
from entrepot.domain.audit.service.reading import Reading
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.shelves import Shelves
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.plans.service import Plans
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.service.names import Names
from entrepot.domain.search.model import Filters, Hits, Order
from entrepot.web.shared.call import Call

SCOPE: Final = "entrepot.asked"


class Finder(Protocol):
    """What finds; the library behind it comes with the first search, so that pulls do not wait for it."""

    async def find(
        self, actor: Actor, typed: str, filters: Filters = ..., order: Order = ..., first: int = ..., most: int = ...
    ) -> Hits:
        """Return what is found for what somebody typed, and the actor may see. Raises TokenRefused, Unproven, Unavailable."""


class Verbs(msgspec.Struct, frozen=True):
    """All that can be done here.

    But for what comes behind `tokens`, by which people sign in, nothing is changed while the registry is read-only. `factors`
    is asked for codes, `enrolling` turns two-factor sign-in on and off.
    """

    permits: Permits
    users: Users
    organisations: Organisations
    credentials: Credentials
    registry: Registry
    names: Names
    invitations: Invitations
    recovery: Recovery
    own: OwnAccounts
    enrolling: SecondFactors
    plans: Plans
    audit: Reading
    kinds: Kinds
    stars: Stars
    shelves: Shelves
    searching: Callable[[], Finder]
    tokens: Tokens
    signing: Users
    identity: Identity
    sessions: Sessions
    factors: SecondFactors

    def acting(self, by: Author) -> "Verbs":
        """Return the same for somebody: what they change is recorded as done by them."""
        return msgspec.structs.replace(
            self,
            users=self.users.acting(by),
            organisations=self.organisations.acting(by),
            credentials=self.credentials.acting(by),
            names=self.names.acting(by),
            invitations=self.invitations.acting(by),
            enrolling=self.enrolling.acting(by),
            plans=self.plans.acting(by),
            kinds=self.kinds.acting(by),
            sessions=self.sessions.acting(by),
        )


class Asked(NamedTuple):
    """One request: `by_token` tells that whoever asks proved who they are by a token of this interface."""

    call: Call
    verbs: Verbs
    by_token: bool

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self.call.actor


async def asked(request: Request) -> Asked:
    """Return what the surface put into the request's scope."""
    found: Asked = request.scope[SCOPE]
    return found


Asking = Annotated[Asked, Depends(asked)]
