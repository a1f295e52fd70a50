"""The first page: of a small hub all that there is, of a large one what people come for; or how the first image comes in."""

from typing import Final

import msgspec

from entrepot.domain.access.errors import Unproven
from entrepot.domain.catalogue.model import Category, Kind
from entrepot.domain.registry.service import Registry
from entrepot.domain.search.model import Filters, Order
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.shared.call import Answer, Call

_AT_ONCE: Final = 24
_SHOWN: Final = 6


class ListPage(msgspec.Struct, frozen=True):
    """Images that the reader may see, by name; `next_after` is the last of them when there are more."""

    cards: list[Card]
    after: str
    next_after: str


class HomePage(msgspec.Struct, frozen=True):
    """What is trusted, what was pulled most in the last week (and how often), what is new, and the shelves."""

    official: list[Card]
    moving: list[tuple[Card, int]]
    updated: list[Card]
    categories: list[tuple[Category, str]]


class EmptyPage(msgspec.Struct, frozen=True):
    """Nothing is there, or nothing for whoever reads: `signs_in` tells that pushing needs an account."""

    signs_in: bool


async def home(call: Call, registry: Registry, shop: Shop, frame: Frame, *, signs_in: bool) -> Answer:
    """GET /: with `after` the images by name. Raises QueryInvalid, Unavailable."""
    after = call.one("after")
    try:
        found = await registry.tags.catalogue(call.actor, after or "", _AT_ONCE)
    except Unproven:  # a hub that is closed to everyone without a login
        return page(call, frame, "empty.html", EmptyPage(signs_in))
    if not found.names and not after:
        return page(call, frame, "empty.html", EmptyPage(signs_in))
    if found.more and after is None:
        return page(call, frame, "home.html", await _large(call, registry, shop, frame))
    shelved = await shop.shelves.of(await registry.listing.of_names(found.names))
    more = found.names[-1] if found.more else ""
    return page(call, frame, "list.html", ListPage([Card.of(*each) for each in shelved], after or "", more))


async def _large(call: Call, registry: Registry, shop: Shop, frame: Frame) -> HomePage:
    find = shop.searching.find
    official = await find(call.actor, "", Filters(kinds=(Kind.OFFICIAL,)), Order.PULLS, most=_SHOWN)
    updated = await find(call.actor, "", Filters(), Order.UPDATED, most=_SHOWN)
    counts = await registry.pulls.leaders(_SHOWN)
    moving = {listed.id: Card.of(listed, shelved) for listed, shelved in await shop.shelves.of_ids([id_ for id_, _ in counts])}
    categories = await shop.kinds.categories()
    trusted = [hit for hit in official.hits if hit.shelved.kind is Kind.OFFICIAL] if official.is_complete else []
    return HomePage(
        official=[Card.of(hit.listed, hit.shelved) for hit in trusted],
        moving=[(moving[id_], pulls) for id_, pulls in counts if id_ in moving and not moving[id_].is_private],
        updated=[Card.of(hit.listed, hit.shelved) for hit in updated.hits],
        categories=[(each, each.title(frame.words.language)) for each in categories],
    )
