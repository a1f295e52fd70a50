"""The pages of organisations and of one's own namespace, by their addresses, and making an organisation."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.spec.oci.names import NamespaceInvalid, parse_segment
from entrepot.web.hub.pages.governing import governing
from entrepot.web.hub.pages.members import member, members
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import OF_ONESELF, ORGANISATIONS, Visit
from entrepot.web.hub.pages.pulled import pulled
from entrepot.web.hub.pages.robots import robot, robots
from entrepot.web.hub.pages.teams import team, teams
from entrepot.web.hub.pages.trail import trail
from entrepot.web.hub.pages.wrongs import REFUSED, Refusal, refusal_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

_OWN: Final = "/me/"
OF_NAMESPACES: Final = (ORGANISATIONS, *(f"{_OWN}{tab}" for tab in OF_ONESELF))
_NEW: Final = "new"
_READ: Final = ("robots", "pulls", "audit")  # they have no forms that change anything


class NewOrganisationPage(msgspec.Struct, frozen=True):
    """The form as it was typed."""

    name: str
    owner: str
    refusal: Refusal | None = None


async def organisations(at: Visit, path: str) -> Answer:
    """What lies below /orgs/, and what of it there is for one's own namespace below /me/.

    Raises:
        AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, QueryInvalid, RegistryReadOnly
    """
    if path.startswith(_OWN):
        name, rest = at.visitor.account.name, path.removeprefix(_OWN)
    else:
        name, _, rest = path.removeprefix(ORGANISATIONS).partition("/")
        if name == _NEW and not rest:
            return await _new(at)
        try:
            parse_segment(name)
        except NamespaceInvalid:
            raise AddressUnknown from None
    noun, _, which = rest.partition("/")
    page = _PAGES.get(noun)
    if page is None or rest.endswith("/") or (at.is_form and rest in _READ):
        raise AddressUnknown
    return await page(at, name, which)


async def _members(at: Visit, name: str, which: str) -> Answer:
    return await (member(at, name, which) if which else members(at, name))


async def _teams(at: Visit, name: str, which: str) -> Answer:
    return await (team(at, name, which) if which else teams(at, name))


async def _robots(at: Visit, name: str, which: str) -> Answer:
    return await (robot(at, name, which) if which else robots(at, name))


async def _alone(page: Callable[[Visit, str], Awaitable[Answer]], at: Visit, name: str, which: str) -> Answer:
    """Answer with a page that has none below it."""
    if which:
        raise AddressUnknown
    return await page(at, name)


async def _new(at: Visit) -> Answer:
    """GET and POST /orgs/new, for administrators. Raises Denied, FormRefused, FormUnreadable, RegistryReadOnly."""
    await at.desk.permits.on_hub(at.call.actor)
    reader = at.visitor.account.name
    shown = NewOrganisationPage("", reader)
    if not at.is_form:
        return at.page("organisation_new.html", shown)
    form = await at.form()
    shown = replace(shown, name=form.get("name", "").strip(), owner=form.get("owner", "").strip() or reader)
    try:
        await at.desk.organisations.acting(at.author).add(shown.name, shown.owner)
    except REFUSED as error:
        refusal = refusal_of(error)
        return at.page("organisation_new.html", replace(shown, refusal=refusal), refusal.status)
    return to(f"{ORGANISATIONS}{shown.name}/members")


_PAGES: Final[dict[str, Callable[[Visit, str, str], Awaitable[Answer]]]] = {
    "members": _members,
    "teams": _teams,
    "robots": _robots,
    "pulls": partial(_alone, pulled),
    "audit": partial(_alone, trail),
    "settings": partial(_alone, governing),
}
