"""The settings of an image: what it says of itself, with a preview, who sees it, and its end."""

import asyncio
from typing import Final

import msgspec
from markupsafe import Markup
from msgspec.structs import replace

from entrepot.domain.access.errors import Denied, Hidden
from entrepot.domain.access.model import Action
from entrepot.domain.catalogue.errors import TooManyCategories
from entrepot.domain.catalogue.model import MOST_CATEGORIES, Category
from entrepot.domain.plans.errors import PlanRefused
from entrepot.domain.registry.errors import TextTooLong
from entrepot.domain.registry.service import Registry
from entrepot.domain.registry.service.repositories import LONGEST_DESCRIPTION, LONGEST_README
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.images import Sight, card_of
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import may
from entrepot.web.hub.readme import rendered
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.shop import Shop
from entrepot.web.hub.visiting import LARGE, Visitor, read_form
from entrepot.web.shared.call import Answer, Call

_UNUSABLE: Final = 422


class SettingsPage(msgspec.Struct, frozen=True):
    """The form as it was typed; `wrong` is what was not done, and `told` why, in the words of the plan.

    `preview` is the README as it would be shown, where that was asked for.
    """

    sight: Sight
    description: str
    readme: str
    chosen: tuple[str, ...]
    categories: list[Category]
    may_configure: bool
    may_remove: bool
    may_share: bool
    preview: Markup | None = None
    wrong: str = ""
    told: str = ""
    longest_description: int = LONGEST_DESCRIPTION
    longest_readme: int = LONGEST_README
    most_categories: int = MOST_CATEGORIES


async def settings(
    call: Call, rooms: tuple[Registry, Shop], frame: Frame, desk: Desk, visitor: Visitor, name: RepositoryName
) -> Answer:
    """GET and POST /r/NAME/-/settings.

    Raises:
        Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly, Renamed, RepositoryUnknown
    """
    await desk.permits.in_repository(call.actor, Action.DESCRIBE, name)
    registry, shop = rooms
    card, about = await card_of(registry, shop, call.actor, name)
    sight = Sight(card, f"{frame.host}/{card.name}", about.archived_at is not None, "settings", None, None)
    may_configure, may_remove = [await _may(call, desk, action, name) for action in (Action.CONFIGURE, Action.REMOVE)]
    may_share = await may(call, desk, Action.GRANT, name.namespace)
    known = await shop.kinds.categories()
    shown = SettingsPage(sight, card.description, about.readme, card.categories, known, may_configure, may_remove, may_share)
    if call.method != "POST":
        return page(call, frame, "settings.html", shown)
    form = await read_form(call, frame.place, visitor, at_most=LARGE)
    if form.get("do") in ("describe", "preview"):
        chosen = tuple(each.name for each in known if f"category-{each.name}" in form)
        shown = replace(shown, description=form.get("description", "").strip(), readme=form.get("readme", ""), chosen=chosen)
    if form.get("do") == "preview":
        preview = await asyncio.to_thread(rendered, shown.readme[:LONGEST_README])
        return page(call, frame, "settings.html", replace(shown, preview=preview))
    wrong, told = "", ""
    if form.get("do") == "delete" and form.get("name", "").strip() != card.name:
        wrong = "name"
    else:
        try:
            return to(await _done(call, rooms, desk, name, shown, form.get("do", "")))
        except TooManyCategories:
            wrong = "categories"
        except TextTooLong:
            wrong = "long"
        except PlanRefused as refused:
            wrong, told = "plan", refused.message
    return page(call, frame, "settings.html", replace(shown, wrong=wrong, told=told), _UNUSABLE)


async def _done(
    call: Call, services: tuple[Registry, Shop], desk: Desk, name: RepositoryName, shown: SettingsPage, deed: str
) -> str:
    """Do what a button of the form stands for; return where to go then.

    Raises:
        AddressUnknown: there is no such button.
        Denied, PlanRefused, RegistryReadOnly, Renamed, RepositoryUnknown, TextTooLong
    """
    (registry, shop), actor = services, call.acting
    rooms = registry.repositories
    place = f"/r/{shown.sight.card.name}"
    if deed == "describe":
        await shop.kinds.shelve(actor, name, shown.chosen)
        await rooms.describe(actor, name, description=" ".join(shown.description.split()), readme=shown.readme)
        return place
    if deed in ("show", "hide"):
        await desk.permits.in_repository(call.actor, Action.CONFIGURE, name)
        await rooms.set_visibility(actor, name, public=deed == "show")
    elif deed in ("archive", "reopen"):
        await desk.permits.in_repository(call.actor, Action.CONFIGURE, name)
        await rooms.set_archived(actor, name, archived=deed == "archive")
    elif deed == "delete":
        await desk.permits.in_repository(call.actor, Action.REMOVE, name)
        await rooms.delete(actor, name)
        return "/me"
    else:
        raise AddressUnknown
    return f"{place}/-/settings"


async def may_describe(call: Call, desk: Desk, name: RepositoryName) -> bool:
    """Tell whether the reader has anything to set of an image. Raises TokenRefused."""
    return await _may(call, desk, Action.DESCRIBE, name)


async def _may(call: Call, desk: Desk, action: Action, name: RepositoryName) -> bool:
    try:
        await desk.permits.in_repository(call.actor, action, name)
    except (Denied, Hidden):
        return False
    return True
