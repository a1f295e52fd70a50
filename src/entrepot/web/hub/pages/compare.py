"""Comparing two tags of an image."""

from typing import Final

import msgspec

from entrepot.domain.registry.errors import ManifestUnknown
from entrepot.domain.registry.model import TagDetail, TagOrder
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.versions import is_candidate
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName, parse_tag
from entrepot.web.hub.contents import Contents, contents
from entrepot.web.hub.differences import Differences, differences
from entrepot.web.hub.pages.images import Sight, card_of
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.shop import Shop
from entrepot.web.shared.call import Answer, Call

_OFFERED: Final = 50


class Side(msgspec.Struct, frozen=True):
    """One of the two: its tag, and what it holds for the platform that is compared."""

    tag: TagDetail
    contents: Contents


class ComparePage(msgspec.Struct, frozen=True):
    """Two tags side by side; None of both until two are chosen, of one that is not there its name in `missing`."""

    sight: Sight
    first: Side | None
    second: Side | None
    asked: tuple[str, str]
    missing: str
    differences: Differences | None
    offered: list[str]
    platform: str


async def compare(call: Call, registry: Registry, shop: Shop, frame: Frame, name: RepositoryName) -> Answer:
    """GET /r/NAME/-/compare?from=TAG&to=TAG. Raises QueryInvalid, RepositoryUnknown, TagInvalid, Unavailable, Unproven."""
    card, about = await card_of(registry, shop, call.actor, name)
    groups, _ = await registry.tag_lists.groups(call.actor, name, TagOrder.VERSION, "", "", _OFFERED)
    offered = [each.first.name for each in groups]
    second = call.one("to") or next((each for each in offered if not is_candidate(each)), "")
    first = call.one("from") or _before(second, offered)
    platform = call.one("platform") or ""
    sides: list[Side | None] = []
    missing = ""
    for asked in (first, second):
        try:
            sides.append(await _side(call, registry, name, asked, platform) if asked else None)
        except ManifestUnknown:
            sides.append(None)
            missing = missing or asked
    one, other = sides
    found = differences(one.contents, other.contents) if one and other else None
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "compare", None, None)
    shown = other.contents.platform if other else platform
    return page(call, frame, "compare.html", ComparePage(sight, one, other, (first, second), missing, found, offered, shown))


async def _side(call: Call, registry: Registry, name: RepositoryName, asked: str, platform: str) -> Side:
    tag = await registry.tags.detail(call.actor, name, parse_tag(asked))
    return Side(tag, await contents(registry, call.actor, name, Digest.parse(tag.digest), platform))


def _before(tag: str, offered: list[str]) -> str:
    """Return the tag of the image before one, in the order of versions; the next one where it is the last."""
    if tag in offered:
        place = offered.index(tag)
        return next(iter(offered[place + 1 :]), next(iter(offered[:place]), ""))
    return next((each for each in offered if each != tag), "")
