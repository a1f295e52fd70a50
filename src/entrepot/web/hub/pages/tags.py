"""The tags of an image: grouped by what they name, in several orders, with the platforms and sizes of each."""

from typing import Final
from urllib.parse import urlencode

import msgspec

from entrepot.domain.catalogue.model import Variant
from entrepot.domain.registry.model import TagGroup, TagOrder
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub.pages.images import Sight, card_of
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.shared.call import Answer, Call

_AT_ONCE: Final = 25
_LONGEST: Final = 128


class Group(msgspec.Struct, frozen=True):
    """An image under its first tag; `pulls` and `pulled_at` are of all its tags, the last is 0 for never (microseconds UTC)."""

    tags: TagGroup
    variants: list[Variant]
    pulls: int
    pulled_at: int


class TagsPage(msgspec.Struct, frozen=True):
    """Images by their tags; `behind` is the address of the next ones, `first` that of the beginning when this is not it."""

    sight: Sight
    groups: list[Group]
    order: TagOrder
    text: str
    first: str
    behind: str


async def tags(call: Call, registry: Registry, shop: Shop, frame: Frame, name: RepositoryName) -> Answer:
    """GET /r/NAME/-/tags. Raises QueryInvalid, Renamed, RepositoryUnknown, Unavailable, Unproven."""
    card, about = await card_of(registry, shop, call.actor, name)
    after, text = call.one("after") or "", (call.one("tag") or "").strip()[:_LONGEST]
    order = next((each for each in TagOrder if each.value == call.one("order")), TagOrder.VERSION)
    found, more = await registry.tag_lists.groups(call.actor, name, order, after, text, _AT_ONCE)
    variants = await shop.shelves.variants([each.first.manifest for each in found])
    pulls = await registry.pulls.of_tags(card.id, [tag for each in found for tag in each.names])
    groups = []
    for each in found:
        counts = [pulls[tag] for tag in each.names if tag in pulls]
        pulled_at = max((at for _, at in counts), default=0)
        groups.append(Group(each, variants.get(each.first.manifest, []), sum(count for count, _ in counts), pulled_at))
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "tags", None, None)
    kept = [("order", order.value)] if order is not TagOrder.VERSION else []
    kept += [("tag", text)] if text else []
    address = f"/r/{card.name}/-/tags"
    first = f"{address}?{urlencode(kept)}" if after else ""
    behind = f"{address}?{urlencode([*kept, ('after', more)])}" if more else ""
    return page(call, frame, "tags.html", TagsPage(sight, groups, order, text, first, behind))
