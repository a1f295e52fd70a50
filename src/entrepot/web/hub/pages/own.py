"""What is somebody's own: their repositories and those of their organisations, and what they have of their plan."""

from typing import Final

import msgspec

from entrepot.domain.access.errors import Denied, Hidden
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Member
from entrepot.domain.plans.model import Usage
from entrepot.domain.registry.service import Registry
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.visiting import Visitor
from entrepot.web.shared.call import Answer, Call

OWN: Final = "/me"
_AT_ONCE: Final = 50


class OwnPage(msgspec.Struct, frozen=True):
    """The repositories of `namespace`, which is the reader's own or one of their `organisations`, and its use of its plan."""

    namespace: str
    organisations: list[Member]
    cards: list[Card]
    after: str
    next_after: str
    usage: Usage | None  # for those who manage it


async def own(call: Call, registry: Registry, shop: Shop, frame: Frame, desk: Desk, visitor: Visitor) -> Answer:
    """GET /me. Raises Hidden, QueryInvalid, Unavailable."""
    account = visitor.account
    organisations = await desk.organisations.of_account(account.id)
    namespace = call.one("of") or account.name
    if namespace not in (account.name, *(each.name for each in organisations)):
        raise Hidden("organisation", namespace)
    after = call.one("after") or ""
    found, is_more = await registry.listing.page(call.actor, namespace, after, _AT_ONCE)
    usage = await _usage(call, registry, desk, namespace)
    cards = [Card.of(*each) for each in await shop.shelves.of(found)]
    return page(
        call, frame, "own.html", OwnPage(namespace, organisations, cards, after, found[-1].name if is_more else "", usage)
    )


async def _usage(call: Call, registry: Registry, desk: Desk, namespace: str) -> Usage | None:
    """Return what a namespace has of its plan; None for a member who does not manage it. Raises PlanUnknown, Unavailable."""
    try:
        await desk.permits.in_namespace(call.actor, Action.MANAGE, namespace)
    except (Denied, Hidden):
        return None
    return await registry.repositories.usage(namespace, await desk.plans.of(namespace), await desk.plans.seats(namespace))
