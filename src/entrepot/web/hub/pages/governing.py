"""The settings of an organisation: what a push makes there, the second factor, its name, and its end."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import ORGANISATION
from entrepot.domain.registry.errors import NameNotHeld
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import ORGANISATIONS, Publisher, Visit, organisation
from entrepot.web.hub.pages.wrongs import REFUSED, Refusal, refusal_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

Form = dict[str, str]


class GoverningPage(msgspec.Struct, frozen=True):
    """The settings as they are; `new` is the name that was typed, and `wrong` the form that was refused.

    `has_factor` tells that the reader has a second factor: without one they would shut themselves out by asking for it.
    """

    of: Publisher
    makes_private: bool
    requires_factor: bool
    has_factor: bool
    former: list[str]
    new: str = ""
    wrong: str = ""
    refusal: Refusal | None = None


async def governing(at: Visit, name: str) -> Answer:
    """GET and POST /orgs/NAME/settings.

    Raises:
        AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly
    """
    of = await organisation(at, Action.MANAGE, name, "settings")
    if not at.is_form:
        return at.page("governing.html", await _shown(at, of))
    form = await at.form()
    do = form.get("do", "")
    deed = _DEEDS.get(do)
    if deed is None:
        raise AddressUnknown
    if do in ("rename", "delete") and form.get("name", "").strip() != name:
        refusal: Refusal | None = Refusal("typed")
    else:
        try:
            return to(await deed(at, of, form))
        except REFUSED as error:
            refusal = refusal_of(error)
    shown = replace(await _shown(at, of), new=form.get("new", "").strip(), wrong=do, refusal=refusal)
    return at.page("governing.html", shown, refusal.status if refusal else 422)


async def _shown(at: Visit, of: Publisher) -> GoverningPage:
    public, requires_factor = await at.desk.organisations.settings(of.name)
    has_factor = at.visitor.account.second_factor_at is not None
    return GoverningPage(of, not public, requires_factor, has_factor, list(await at.registry.names.held_by(of.name)))


async def _set_visibility(at: Visit, of: Publisher, form: Form) -> str:
    await at.desk.organisations.acting(at.author).set_visibility(of.name, public=form.get("do") == "public")
    return of.here


async def _set_factor(at: Visit, of: Publisher, form: Form) -> str:
    is_required = form.get("do") == "ask"
    await at.desk.organisations.acting(at.author).require_second_factor(of.name, is_required=is_required)
    # Whoever has none is nothing here from now on.
    return of.here if not is_required or at.visitor.account.second_factor_at is not None else "/me"


async def _rename(at: Visit, of: Publisher, form: Form) -> str:
    new = form.get("new", "").strip()
    await at.registry.names.acting(at.author).rename(of.name, new, ORGANISATION)
    return f"{ORGANISATIONS}{new}/settings"


async def _delete(at: Visit, of: Publisher, _form: Form) -> str:
    await at.registry.names.acting(at.author).delete_organisation(of.name)
    return "/me"


async def _release(at: Visit, of: Publisher, form: Form) -> str:
    """Let a former name of this organisation, and of no other, lead nowhere. Raises NameNotHeld."""
    former = form.get("former", "").strip()
    if former not in await at.registry.names.held_by(of.name):
        raise NameNotHeld(name=former, reason="it is no former name of this organisation")
    await at.registry.names.acting(at.author).release(former)
    return of.here


_DEEDS: Final[dict[str, Callable[[Visit, Publisher, Form], Awaitable[str]]]] = {
    "public": _set_visibility,
    "private": _set_visibility,
    "ask": _set_factor,
    "ask-no-more": _set_factor,
    "rename": _rename,
    "release": _release,
    "delete": _delete,
}
