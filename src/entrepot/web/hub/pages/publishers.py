"""The head of the pages of a user or an organisation, which of these pages a reader may open, and what they are made from."""

from typing import Final, NamedTuple

import msgspec

from entrepot.domain.access.errors import Denied, Hidden, Unproven
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import ORGANISATION
from entrepot.domain.audit.model import Author
from entrepot.domain.catalogue.model import kind_of
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import LIBRARY
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.problems import FactorAsked
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.visiting import Visitor, read_form
from entrepot.web.shared.call import Answer, Call

PROFILES: Final = "/u/"
ORGANISATIONS: Final = "/orgs/"
# What a reader needs in a namespace for each tab behind its images: of an organisation, and of one's own.
_OF_ORGANISATIONS: Final = {
    "members": Action.SEE_MEMBERS,
    "teams": Action.SEE_MEMBERS,
    "robots": Action.GRANT,
    "pulls": Action.MANAGE,
    "audit": Action.MANAGE,
    "settings": Action.MANAGE,
}
OF_ONESELF: Final = ("robots", "pulls", "audit")


Rooms = tuple[Registry, Shop]


class Visit(NamedTuple):
    """A request of somebody who is signed in, and what its page is made from."""

    call: Call
    rooms: Rooms
    frame: Frame
    desk: Desk
    visitor: Visitor

    @property
    def registry(self) -> Registry:
        """All repositories."""
        return self.rooms[0]

    @property
    def shop(self) -> Shop:
        """The catalogue."""
        return self.rooms[1]

    @property
    def is_form(self) -> bool:
        """Tell whether a form was sent."""
        return self.call.method == "POST"

    @property
    def author(self) -> Author:
        """As whose what they change is recorded."""
        return self.call.acting.author

    async def require(self, action: Action, namespace: str) -> None:
        """Do nothing when they may do it to a user or an organisation. Raises Denied, Hidden."""
        await self.desk.permits.in_namespace(self.call.actor, action, namespace)

    async def form(self) -> dict[str, str]:
        """Return the fields of the form that was sent. Raises FormRefused, FormUnreadable, and what reading a body does."""
        return await read_form(self.call, self.frame.place, self.visitor)

    def page(self, template: str, about: object, status: int = 200, *, stored: bool = True) -> Answer:
        """Return a page."""
        return page(self.call, self.frame, template, about, status, stored=stored)


class Publisher(msgspec.Struct, frozen=True):
    """What stands on top of every page of a user or an organisation.

    `kind` and `made_at` (microseconds UTC) are told to those alone who are it or in it, as by every other interface: else `kind`
    is empty. `badges` are those that an administrator granted, each with the time; `tabs` are what the reader may open.
    """

    name: str
    tab: str
    root: str = ""  # of its pages behind the images
    kind: str = ""
    made_at: int | None = None
    badges: tuple[tuple[str, int], ...] = ()
    tabs: tuple[str, ...] = ()

    @property
    def hallmark(self) -> str:
        """The kind of its images."""
        return kind_of(self.name, tuple(name for name, _ in self.badges)).value

    @property
    def is_library(self) -> bool:
        """Tell whether it is what official images lie in."""
        return self.name == LIBRARY

    @property
    def here(self) -> str:
        """The address of the tab that is open."""
        return f"{self.root}/{self.tab}"


async def publisher(call: Call, shop: Shop, desk: Desk, name: str, tab: str) -> Publisher:
    """Return what the reader is told of a user or an organisation, which they were found to know of. Raises Unavailable."""
    badges = tuple((each.kind.value, each.granted_at) for each in await shop.kinds.granted(name))
    shown = Publisher(name, tab, badges=badges)
    if not await may(call, desk, Action.SEE_MEMBERS, name):
        return shown
    standing = await desk.organisations.standing(call.actor.account, name)
    tabs: tuple[str, ...] = ()
    root = f"{ORGANISATIONS}{name}"
    if standing.kind == ORGANISATION:
        tabs = tuple([tab for tab, action in _OF_ORGANISATIONS.items() if await may(call, desk, action, name)])
    elif name == call.actor.name:
        root, tabs = "/me", OF_ONESELF
    return Publisher(name, tab, root, standing.kind, await desk.organisations.made_at(name), badges, tabs)


async def may(call: Call, desk: Desk, action: Action, namespace: str) -> bool:
    """Tell whether the reader may do something to a user or an organisation."""
    try:
        await desk.permits.in_namespace(call.actor, action, namespace)
    except (Denied, Hidden, Unproven):
        return False
    return True


async def require_factor(call: Call, desk: Desk, name: str) -> None:
    """Do nothing, unless the reader is in an organisation where they are nothing for want of a factor. Raises FactorAsked."""
    standing = await desk.organisations.standing(call.actor.account, name)
    if standing.place is not None and standing.lacks_factor:
        raise FactorAsked(name=name)


async def organisation(at: Visit, action: Action, name: str, tab: str) -> Publisher:
    """Return the head of an organisation's page for whoever may do something there.

    Raises:
        Denied, Hidden, Unavailable
        FactorAsked: they could if they had a second factor, and know the organisation: they are in it.
    """
    try:
        await at.require(action, name)
    except Hidden:
        await require_factor(at.call, at.desk, name)
        raise
    shown = await publisher(at.call, at.shop, at.desk, name, tab)
    if shown.kind != ORGANISATION:
        raise Hidden("organisation", name)
    return shown


async def organisation_or_own(at: Visit, action: Action, name: str, tab: str) -> Publisher:
    """Do the same where it may be the reader's own namespace too. Raises Denied, Hidden, Unavailable."""
    if name == at.visitor.account.name:
        await at.require(action, name)
        return await publisher(at.call, at.shop, at.desk, name, tab)
    return await organisation(at, action, name, tab)
