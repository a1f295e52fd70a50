"""The profile of a user or an organisation: what they publish. Nobody learns by it who there is.

Whoever is not in it, and sees no image there, is told what they would be told if there were no such name.
"""

from typing import Final

import msgspec

from entrepot.domain.access.errors import Hidden
from entrepot.domain.access.model import Action
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import NamespaceInvalid, parse_segment
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.pages.publishers import Publisher, Rooms, may, publisher, require_factor
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.shared.call import Answer, Call

_AT_ONCE: Final = 24


class ProfilePage(msgspec.Struct, frozen=True):
    """The images of `of` that the reader sees, by name; `first_at` is when the first of them was made, if all are here."""

    of: Publisher
    cards: list[Card]
    after: str
    next_after: str
    first_at: int | None


async def profile(call: Call, rooms: Rooms, frame: Frame, desk: Desk | None, name: str) -> Answer:
    """GET /u/NAME. Raises FactorAsked, Hidden, QueryInvalid, Unavailable."""
    try:
        parse_segment(name)
    except NamespaceInvalid:
        raise Hidden("publisher", name) from None
    registry, shop = rooms
    after = call.one("after") or ""
    found, is_more = await registry.listing.page(call.actor, name, after, _AT_ONCE)
    if not found and not await _is_known(call, registry, desk, name, after):
        if desk is not None:
            await require_factor(call, desk, name)
        raise Hidden("publisher", name)
    of = Publisher(name, "images") if desk is None else await publisher(call, shop, desk, name, "images")
    first_at = None if is_more or after else min((each.created_at for each in found), default=None)
    cards = [Card.of(*each) for each in await shop.shelves.of(found)]
    shown = ProfilePage(of, cards, after, found[-1].name if is_more else "", first_at)
    return page(call, frame, "profile.html", shown)


async def _is_known(call: Call, registry: Registry, desk: Desk | None, name: str, after: str) -> bool:
    """Tell whether the reader may know of somebody of whom no image is to be shown."""
    if after and (await registry.listing.page(call.actor, name, "", 1))[0]:
        return True
    # An administrator may see the members of what there is not.
    is_of_it = desk is not None and await may(call, desk, Action.SEE_MEMBERS, name)
    return is_of_it and desk is not None and await desk.organisations.made_at(name) is not None
