"""All organisations, their badges with what was checked before, their plan, and their end."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from entrepot.domain.accounts.errors import OrganisationUnknown
from entrepot.domain.accounts.model import Listed, Member
from entrepot.domain.catalogue.model import Badge, Granted
from entrepot.domain.plans.model import Plan
from entrepot.spec.oci.names import LIBRARY
from entrepot.web.hub.pages.admin.visit import ADMIN, AT_ONCE, NOTHING_WRONG, REFUSALS, Form, Visit, Wrong, part
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

ORGANISATIONS: Final = f"{ADMIN}/organisations"
_MEMBERS: Final = 20


class OrganisationsPage(msgspec.Struct, frozen=True):
    """Organisations whose names begin so, behind `after`, and the badges of each; `typed` is the form for another one."""

    begins: str
    after: str
    organisations: list[Listed]
    badges: Mapping[str, list[Badge]]
    next_query: str
    typed: Mapping[str, str]
    wrong: Wrong = NOTHING_WRONG


class OrganisationPage(msgspec.Struct, frozen=True):
    """An organisation: its first members, what it was granted, and `typed`, what was to be written down as checked."""

    name: str
    members: list[Member]
    has_more: bool
    granted: list[Granted]
    plan: Plan
    takes_badges: bool
    typed: str = ""
    wrong: Wrong = NOTHING_WRONG
    badges: tuple[Badge, ...] = tuple(Badge)


async def organisations(visit: Visit) -> Answer:
    """GET /admin/organisations lists, POST makes one. Raises FormRefused, FormUnreadable, QueryInvalid, RegistryReadOnly."""
    if not visit.is_form:
        return await _list(visit, {"name": "", "owner": ""})
    form = await visit.form()
    typed = {"name": form.get("name", ""), "owner": form.get("owner", "") or visit.visitor.account.name}
    try:
        await visit.desk.organisations.acting(visit.by).add(typed["name"], typed["owner"])
    except REFUSALS as error:
        return await _list(visit, typed, Wrong.of(error))
    return to(f"{ORGANISATIONS}/{quote(typed['name'])}")


async def _list(visit: Visit, typed: Form, wrong: Wrong = NOTHING_WRONG) -> Answer:
    begins, after = visit.asked("begins").lower(), visit.asked("after")
    found, is_more = part(await visit.office.directory.organisations(begins, after, AT_ONCE + 1))
    names = {each.name for each in found}
    badges: dict[str, list[Badge]] = {}
    for each in await visit.office.kinds.granted():
        if each.namespace in names:
            badges.setdefault(each.namespace, []).append(each.kind)
    following = urlencode({"begins": begins, "after": found[-1].name}) if is_more else ""
    return visit.page("organisations", OrganisationsPage(begins, after, found, badges, following, typed, wrong), wrong)


async def organisation(visit: Visit, name: str) -> Answer:
    """GET and POST /admin/organisations/NAME. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly."""
    try:
        await visit.desk.organisations.settings(name)
    except OrganisationUnknown:
        raise AddressUnknown from None
    if not visit.is_form:
        return await _shown(visit, name)
    form = await visit.form()
    deed = _DEEDS.get(form.get("do", ""))
    if deed is None:
        raise AddressUnknown
    if form["do"] == "delete" and form.get("name", "") != name:
        return await _shown(visit, name, Wrong("typed"))
    try:
        return to(await deed(visit, name, form))
    except REFUSALS as error:
        return await _shown(visit, name, Wrong.of(error), form.get("checked", ""))


async def _shown(visit: Visit, name: str, wrong: Wrong = NOTHING_WRONG, typed: str = "") -> Answer:
    members, is_more = part(await visit.desk.organisations.members(name, "", _MEMBERS + 1), _MEMBERS)
    granted, plan = await visit.office.kinds.granted(name), await visit.desk.plans.of(name)
    about = OrganisationPage(name, members, is_more, granted, plan, name != LIBRARY, typed, wrong)
    return visit.page("organisation", about, wrong)


async def _grant(visit: Visit, name: str, form: Form) -> str:
    await visit.office.kinds.acting(visit.by).grant(name, _badge(form), form.get("checked", ""))
    return f"{ORGANISATIONS}/{quote(name)}"


async def _revoke(visit: Visit, name: str, form: Form) -> str:
    await visit.office.kinds.acting(visit.by).revoke(name, _badge(form))
    return f"{ORGANISATIONS}/{quote(name)}"


async def _delete(visit: Visit, name: str, _form: Form) -> str:
    await visit.office.names.acting(visit.by).delete_organisation(name)
    return ORGANISATIONS


def _badge(form: Form) -> Badge:
    """Return the badge that a form is about. Raises AddressUnknown."""
    text = form.get("badge", "")
    if text not in tuple(Badge):
        raise AddressUnknown
    return Badge(text)


_DEEDS: Final[Mapping[str, Callable[[Visit, str, Form], Awaitable[str]]]] = {
    "grant": _grant,
    "revoke": _revoke,
    "delete": _delete,
}
