"""The teams of an organisation: who is in them, and what they may do with which repositories."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Grant, Held, Team
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import Publisher, Visit, may, organisation
from entrepot.web.hub.pages.wrongs import REFUSED, Refusal, refusal_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

_LONGEST: Final = 200  # of a description: it is one line
Form = dict[str, str]


class TeamsPage(msgspec.Struct, frozen=True):
    """All teams, and the form for a new one as it was typed."""

    of: Publisher
    teams: list[Team]
    may_manage: bool
    name: str = ""
    description: str = ""
    refusal: Refusal | None = None
    longest: int = _LONGEST


class TeamPage(msgspec.Struct, frozen=True):
    """A team among all: its members and what is granted to it; `who`, `pattern` and `role` are the forms as they were."""

    of: Publisher
    teams: list[Team]
    team: Team
    members: list[str]
    grants: list[Held]
    may_manage: bool
    who: str = ""
    pattern: str = ""
    role: str = Grant.READ.value
    refusal: Refusal | None = None
    wrong: str = ""  # which of the forms was refused
    roles: tuple[Grant, ...] = tuple(Grant)


async def teams(at: Visit, name: str) -> Answer:
    """GET and POST /orgs/NAME/teams.

    Raises:
        Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly
    """
    of = await organisation(at, Action.SEE_MEMBERS, name, "teams")
    found = await at.desk.organisations.teams(name)
    shown = TeamsPage(of, found, await may(at.call, at.desk, Action.MANAGE, name))
    if not at.is_form:
        return at.page("teams.html", shown)
    form = await at.form()
    await at.require(Action.MANAGE, name)
    description = " ".join(form.get("description", "").split())[:_LONGEST]
    shown = replace(shown, name=form.get("name", "").strip(), description=description)
    try:
        await at.desk.organisations.acting(at.author).add_team(name, shown.name, description)
    except REFUSED as error:
        refusal = refusal_of(error)
        return at.page("teams.html", replace(shown, refusal=refusal), refusal.status)
    return to(f"{of.here}/{shown.name}")


async def team(at: Visit, name: str, which: str) -> Answer:
    """GET and POST /orgs/NAME/teams/TEAM.

    Raises:
        AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly, TeamUnknown
    """
    of = await organisation(at, Action.SEE_MEMBERS, name, "teams")
    shown = await _shown(at, of, which)
    if not at.is_form:
        return at.page("team.html", shown)
    form = await at.form()
    await at.require(Action.MANAGE, name)
    do = form.get("do", "")
    if do == "delete":
        return await _delete(at, shown, form)
    deed = _DEEDS.get(do)
    if deed is None:
        raise AddressUnknown
    try:
        await deed(at, shown, form)
    except REFUSED as error:
        refusal = refusal_of(error)
        typed = {each: form[each].strip() for each in ("who", "pattern", "role") if each in form}
        return at.page("team.html", replace(shown, refusal=refusal, wrong=do, **typed), refusal.status)
    return to(f"{of.here}/{which}")


async def _shown(at: Visit, of: Publisher, which: str) -> TeamPage:
    """Return what is shown of a team. Raises TeamUnknown."""
    members, grants = await at.desk.organisations.team(of.name, which)
    found = await at.desk.organisations.teams(of.name)
    about = next((each for each in found if each.name == which), None)
    if about is None:  # it was deleted in this moment
        raise AddressUnknown
    return TeamPage(of, found, about, members, grants, await may(at.call, at.desk, Action.MANAGE, of.name))


async def _delete(at: Visit, shown: TeamPage, form: Form) -> Answer:
    """Delete a team whose name was typed once more."""
    if form.get("name", "").strip() != shown.team.name:
        refusal = Refusal("typed")
        return at.page("team.html", replace(shown, refusal=refusal, wrong="delete"), refusal.status)
    await at.desk.organisations.acting(at.author).delete_team(shown.of.name, shown.team.name)
    return to(shown.of.here)


async def _join(at: Visit, shown: TeamPage, form: Form) -> None:
    await at.desk.organisations.acting(at.author).join_team(shown.of.name, shown.team.name, form.get("who", "").strip())


async def _leave(at: Visit, shown: TeamPage, form: Form) -> None:
    await at.desk.organisations.acting(at.author).leave_team(shown.of.name, shown.team.name, form.get("who", ""))


async def _grant(at: Visit, shown: TeamPage, form: Form) -> None:
    pattern = form.get("pattern", "").strip().removeprefix(f"{shown.of.name}/")
    await at.desk.organisations.acting(at.author).grant_to_team(shown.of.name, shown.team.name, Held(pattern, role_in(form)))


async def _withdraw(at: Visit, shown: TeamPage, form: Form) -> None:
    await at.desk.organisations.acting(at.author).withdraw_from_team(shown.of.name, shown.team.name, form.get("pattern", ""))


def role_in(form: Form) -> Grant:
    """Return what is to be granted; what cannot be is no button of ours. Raises AddressUnknown."""
    if form.get("role") not in tuple(Grant):
        raise AddressUnknown
    return Grant(form["role"])


_DEEDS: Final[dict[str, Callable[[Visit, TeamPage, Form], Awaitable[None]]]] = {
    "join": _join,
    "leave": _leave,
    "grant": _grant,
    "withdraw": _withdraw,
}
