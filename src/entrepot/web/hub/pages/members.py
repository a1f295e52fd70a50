"""Who is in an organisation: its members and what they are there, those who were invited, and somebody's end there."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Link, Member, Place
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import ORGANISATIONS, Publisher, Visit, may, organisation
from entrepot.web.hub.pages.questions import ACTIONS, Question, Reply, question_of, reply_to
from entrepot.web.hub.pages.wrongs import REFUSED, Refusal, refusal_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

_AT_ONCE: Final = 100
_MOST_INVITED: Final = 1000
Form = dict[str, str]


class MembersPage(msgspec.Struct, frozen=True):
    """Members by name, and for those who manage them the open invitations; `who` and `role` are the form as it was.

    `made` is an invitation that was made just now, with its `link` where it was not sent by mail.
    """

    of: Publisher
    members: list[Member]
    after: str
    next_after: str
    may_manage: bool
    question: Question
    reply: Reply | None = None
    invited: list[Link] = []
    places: tuple[Place, ...] = tuple(Place)
    actions: tuple[Action, ...] = ACTIONS
    who: str = ""
    role: str = Place.MEMBER.value
    made: Link | None = None
    link: str = ""
    refusal: Refusal | None = None


class MemberPage(msgspec.Struct, frozen=True):
    """Somebody who is asked about, before they are taken out: what they are there, and in which teams."""

    of: Publisher
    name: str
    place: Place
    teams: list[str]
    is_reader: bool
    refusal: Refusal | None = None


async def members(at: Visit, name: str) -> Answer:
    """GET and POST /orgs/NAME/members.

    Raises:
        AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, QueryInvalid, RegistryReadOnly
    """
    of = await organisation(at, Action.SEE_MEMBERS, name, "members")
    if not at.is_form:
        return at.page("members.html", await _shown(at, of))
    form = await at.form()
    await at.require(Action.MANAGE, name)
    deed = _DEEDS.get(form.get("do", ""))
    if deed is None:
        raise AddressUnknown
    try:
        made, link = await deed(at, name, form)
    except REFUSED as error:
        refusal = refusal_of(error)
        shown = replace(await _shown(at, of), who=form.get("who", "").strip(), role=form.get("role", ""), refusal=refusal)
        return at.page("members.html", shown, refusal.status)
    if made is None:
        return to(of.here)
    return at.page("members.html", replace(await _shown(at, of), made=made, link=link), stored=False)


async def member(at: Visit, name: str, who: str) -> Answer:
    """GET /orgs/NAME/members/USER asks whether they are to be taken out, POST does it: for owners, and for themselves.

    Raises:
        AccountUnknown, AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly
    """
    itself = who == at.visitor.account.name
    of = await organisation(at, Action.SEE_MEMBERS if itself else Action.MANAGE, name, "members")
    account = await at.desk.users.find(who)
    standing = await at.desk.organisations.standing(account.id, name)
    if standing.place is None:
        raise AddressUnknown
    shown = MemberPage(of, who, standing.place, await at.desk.organisations.teams_of(account.id, name), itself)
    if not at.is_form:
        return at.page("member_remove.html", shown)
    await at.form()
    try:
        await at.desk.organisations.acting(at.author).remove_member(name, who)
    except REFUSED as error:
        refusal = refusal_of(error)
        return at.page("member_remove.html", replace(shown, refusal=refusal), refusal.status)
    return to("/me" if itself else f"{ORGANISATIONS}{name}/members")


async def _shown(at: Visit, of: Publisher) -> MembersPage:
    after = at.call.one("after") or ""
    found = await at.desk.organisations.members(of.name, after, _AT_ONCE + 1)
    more = found[_AT_ONCE - 1].name if len(found) > _AT_ONCE else ""
    asked = question_of(at.call)
    shown = MembersPage(of, found[:_AT_ONCE], after, more, await may(at.call, at.desk, Action.MANAGE, of.name), asked)
    if not shown.may_manage:
        return shown
    invited = list(await at.desk.invitations.page(of.name, _MOST_INVITED))
    return replace(shown, invited=invited, reply=await reply_to(at, of.name, asked))


async def _set(at: Visit, name: str, form: Form) -> tuple[None, str]:
    await at.desk.organisations.acting(at.author).set_member(name, form.get("who", "").strip(), _place(form))
    return None, ""


async def _invite(at: Visit, name: str, form: Form) -> tuple[Link, str]:
    actor = at.call.actor
    return await at.desk.invitations.acting(at.author).invite_member(
        name, form.get("who", "").strip(), _place(form), actor.name, by_administrator=actor.is_admin, inviter=actor.account
    )


async def _revoke(at: Visit, name: str, form: Form) -> tuple[None, str]:
    await at.desk.invitations.acting(at.author).revoke(form.get("invitation", ""), name)
    return None, ""


def _place(form: Form) -> Place:
    """Return what somebody is to be; what is none of the places is no button of ours. Raises AddressUnknown."""
    role = form.get("role", "")
    if role not in tuple(Place):
        raise AddressUnknown
    return Place(role)


Deed = Callable[[Visit, str, Form], Awaitable[tuple[Link | None, str]]]
_DEEDS: Final[dict[str, Deed]] = {"set": _set, "invite": _invite, "revoke": _revoke}
