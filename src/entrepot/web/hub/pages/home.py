"""The first page: what the hub holds, by name; or how the first image comes in."""

from typing import Final

import msgspec

from entrepot.domain.access.errors import Unproven
from entrepot.domain.registry.service import Registry
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.shared.call import Answer, Call

_AT_ONCE: Final = 24


class HomePage(msgspec.Struct, frozen=True):
    """Images that the reader may see, by name; `next_after` is the last of them when there are more."""

    cards: list[Card]
    after: str
    next_after: str


class EmptyPage(msgspec.Struct, frozen=True):
    """Nothing is there, or nothing for whoever reads: `signs_in` tells that pushing needs an account."""

    signs_in: bool


async def home(call: Call, registry: Registry, frame: Frame, *, signs_in: bool) -> Answer:
    """GET /: list what there is."""
    after = call.one("after") or ""
    try:
        found = await registry.tags.catalogue(call.actor, after, _AT_ONCE)
    except Unproven:  # a hub that is closed to everyone without a login
        return page(call, frame, "empty.html", EmptyPage(signs_in))
    if not found.names and not after:
        return page(call, frame, "empty.html", EmptyPage(signs_in))
    listed = await registry.listing.of_names(found.names)
    more = found.names[-1] if found.more else ""
    return page(call, frame, "home.html", HomePage([Card.of(each) for each in listed], after, more))
