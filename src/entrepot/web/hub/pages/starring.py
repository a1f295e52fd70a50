"""Giving an image a star, and what others may show of it: badges."""

from typing import Final
from urllib.parse import quote

from entrepot.domain.registry.errors import ManifestUnknown, RepositoryUnknown
from entrepot.domain.registry.model import TagOrder
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.versions import is_candidate
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub.badges import badge
from entrepot.web.hub.pages.images import card_of
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import Frame, to
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.visiting import Visitor, read_form
from entrepot.web.hub.words import ENGLISH, words
from entrepot.web.shared.call import Answer, Call

_LOOKED_AT: Final = 10


async def star(call: Call, frame: Frame, shop: Shop, visitor: Visitor, name: RepositoryName) -> Answer:
    """POST /r/NAME/-/star: give a star, or take it away.

    Raises:
        FormRefused, FormUnreadable, RegistryReadOnly, Renamed, RepositoryUnknown, Unavailable, Unproven
    """
    form = await read_form(call, frame.place, visitor)
    await (shop.stars.take if form.get("deed") == "take" else shop.stars.give)(call.acting, name)
    return to(f"/r/{quote(name.asked, safe='/')}")


async def picture(call: Call, registry: Registry, shop: Shop, name: RepositoryName, wanted: str) -> Answer:
    """GET /r/NAME/-/badge/WHAT.svg. Raises AddressUnknown, Renamed, RepositoryUnknown, Unavailable, Unproven."""
    card, _ = await card_of(registry, shop, call.actor, name)
    if card.is_private:  # what is kept on its way for everybody is told to nobody of what is not everybody's
        raise RepositoryUnknown(repository=name.asked)
    spoken = words(ENGLISH)
    if wanted == "pulls.svg":
        return badge("pulls", spoken.brief(card.pulls))
    if wanted == "stars.svg":
        return badge("stars", spoken.brief(card.stars))
    if wanted == "version.svg":
        groups, _ = await registry.tag_lists.groups(call.actor, name, TagOrder.VERSION, "", "", _LOOKED_AT)
        newest = next((each.first.name for each in groups if not is_candidate(each.first.name)), "")
        if not newest:
            raise ManifestUnknown(repository=name.asked, reference="latest")
        return badge("version", newest)
    raise AddressUnknown
