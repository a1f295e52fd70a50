"""How people come in, and back in: making an account, a forgotten password, and the links that were sent for both."""

from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.base.addresses import network_of
from entrepot.domain.accounts.errors import (
    EmailInvalid,
    EmailTaken,
    LinkInvalid,
    NameTaken,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Account, Link, Purpose
from entrepot.domain.plans.errors import PlanRefused
from entrepot.spec.oci.names import NameReserved, NamespaceInvalid
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.wrongs import PASSWORDS, Words, word_of
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.visiting import read_form
from entrepot.web.shared.call import Answer, Call

LINKS: Final = "/accounts/links/"
SIGN_UP: Final = "/sign-up"
FORGOTTEN: Final = "/sign-in/forgotten"
_OPEN: Final = "open"
_UNUSABLE: Final = 422
_TOO_MANY: Final = 429
# What a form says of an error, by its kind.
_WRONG: Final[Words] = {
    NamespaceInvalid: "name",
    NameTaken: "taken",
    NameReserved: "taken",
    **PASSWORDS,
    EmailInvalid: "email",
    EmailTaken: "email taken",
}
_REFUSALS: Final = tuple(_WRONG)


class JoinPage(msgspec.Struct, frozen=True):
    """A form for an account: `link` is the invitation that it is made by, `asks_email` that a link is sent first.

    `is_open` tells that accounts can be made here at all; `wrong` what of the form cannot be used.
    """

    is_open: bool
    asks_email: bool = False
    link: Link | None = None
    name: str = ""
    email: str = ""
    wrong: str = ""
    told: str = ""  # by the plan
    wait_s: int = 0


class LinkPage(msgspec.Struct, frozen=True):
    """What a link that somebody was sent does: `account` is theirs."""

    account: Account
    wrong: str = ""


class SaidPage(msgspec.Struct, frozen=True):
    """What was done: `what` is asked (a link is on its way, if there is anybody), password, address or used."""

    what: str


async def sign_up(call: Call, frame: Frame, desk: Desk) -> Answer:
    """GET and POST /sign-up. Raises FormRefused, FormUnreadable, RegistryReadOnly."""
    if frame.visitor is not None:
        return to("/me")
    shown = JoinPage(desk.signup == _OPEN, desk.mails)
    if call.method != "POST" or not shown.is_open:
        return page(call, frame, "join.html", shown)
    form = await read_form(call, frame.place, None)
    shown = replace(shown, name=form.get("name", "").strip(), email=form.get("email", "").strip())
    try:
        if desk.mails:
            await desk.invitations.ask(shown.email, network_of(call.client))
            return page(call, frame, "said.html", SaidPage("asked"))
        account = await desk.invitations.sign_up(shown.name, form.get("password", ""), call.client)
    except TooManySignIns as many:
        return page(call, frame, "join.html", replace(shown, wrong="many", wait_s=many.retry_after_s), _TOO_MANY)
    except _REFUSALS as error:
        return page(call, frame, "join.html", replace(shown, wrong=word_of(error, _WRONG)), _UNUSABLE)
    return to("/me", await desk.visits.begin(call, frame.scheme, account))


async def forgotten(call: Call, frame: Frame, desk: Desk) -> Answer:
    """GET and POST /sign-in/forgotten. Raises FormRefused, FormUnreadable, RegistryReadOnly, TooManyAsked."""
    if call.method != "POST":
        return page(call, frame, "forgotten.html", JoinPage(is_open=desk.mails))
    form = await read_form(call, frame.place, None)
    if not desk.mails:
        raise AddressUnknown
    try:
        await desk.recovery.ask_reset(form.get("name", ""), network_of(call.client))
    except TooManySignIns as many:
        return page(call, frame, "forgotten.html", JoinPage(is_open=True, wrong="many", wait_s=many.retry_after_s), _TOO_MANY)
    return page(call, frame, "said.html", SaidPage("asked"))


async def link(call: Call, frame: Frame, desk: Desk, secret: str) -> Answer:
    """GET and POST /accounts/links/SECRET: what was sent by mail, or handed over.

    Looking at a link does nothing: programs that read mail follow every one.

    Raises:
        FormRefused, FormUnreadable, RegistryReadOnly
    """
    try:
        try:
            invitation = await desk.invitations.look(secret)
        except LinkInvalid:
            return await _recovery(call, frame, desk, secret)
        try:
            return await _invitation(call, frame, desk, secret, invitation)
        except PlanRefused as refused:
            shown = JoinPage(invitation.makes_account, link=invitation, wrong="plan", told=refused.message)
            return page(call, frame, "join.html", shown, _UNUSABLE)
    except LinkInvalid:
        return page(call, frame, "said.html", SaidPage("used"), 404)


async def _invitation(call: Call, frame: Frame, desk: Desk, secret: str, invitation: Link) -> Answer:
    """Let somebody make an account, or join with the one that they have. Raises LinkInvalid, FormRefused, FormUnreadable."""
    shown = JoinPage(invitation.makes_account, link=invitation)
    if call.method != "POST":
        return page(call, frame, "join.html", shown, stored=False)
    form = await read_form(call, frame.place, frame.visitor)
    if frame.visitor is not None:
        joined = await desk.invitations.join(secret, frame.visitor.account, call.client)
        return to(f"/me?of={joined.organisation}")
    shown = replace(shown, name=form.get("name", "").strip())
    try:
        account = await desk.invitations.accept(secret, shown.name, form.get("password", ""), call.client)
    except _REFUSALS as error:
        return page(call, frame, "join.html", replace(shown, wrong=word_of(error, _WRONG)), _UNUSABLE)
    return to("/me", await desk.visits.begin(call, frame.scheme, account))


async def _recovery(call: Call, frame: Frame, desk: Desk, secret: str) -> Answer:
    """Let somebody choose another password, or show that an address is theirs. Raises what `_invitation` does."""
    purpose, account = await desk.recovery.look(secret)
    template = "new_password.html" if purpose is Purpose.RESET else "confirm_address.html"
    shown = LinkPage(account)
    if call.method != "POST":
        return page(call, frame, template, shown, stored=False)
    form = await read_form(call, frame.place, frame.visitor)
    try:
        if purpose is Purpose.RESET:
            await desk.recovery.reset(secret, form.get("password", ""), call.client)
        else:
            await desk.recovery.confirm_address(secret, call.client)
    except _REFUSALS as error:
        return page(call, frame, template, replace(shown, wrong=word_of(error, _WRONG)), _UNUSABLE)
    return page(call, frame, "said.html", SaidPage("password" if purpose is Purpose.RESET else "address"))
