"""Robots of a namespace and tokens of an organisation: made with a form, shown once, told in a sentence, revoked at once."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.base.clock import now_us
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.errors import CredentialUnknown, RobotExists, TermsInvalid, TooMany
from entrepot.domain.accounts.model import ORGANISATION, Credential, Grant, Held, Kind, Scope, Terms
from entrepot.spec.oci.names import NamespaceInvalid
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import Publisher, Visit, may, organisation_or_own
from entrepot.web.hub.pages.tokens import ABOUT, DAYS, Token, days_in, terms_in, words_in
from entrepot.web.hub.pages.wrongs import Words, word_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

NEW: Final = {"new": Kind.ROBOT, "new-token": Kind.ORGANISATION}
_DAY_S: Final = 86_400
_UNUSABLE: Final = 422
_ROWS: Final = 3  # of grants that a form begins with, and that are added to it
_MOST_ROWS: Final = 30  # as many fields as forms have
_FIELDS: Final = ("name", "scope", "repositories", "tags", "networks", "days")
# What each kind asks of whoever looks at it or changes it.
_ASKS: Final = {Kind.ROBOT: Action.GRANT, Kind.ORGANISATION: Action.MANAGE}
_WRONG: Final[Words] = {NamespaceInvalid: "name", RobotExists: "robot", TooMany: "many"}
_ABOUT: Final = {Kind.ORGANISATION: ABOUT, Kind.ROBOT: {**ABOUT, "pattern of repositories": "grants", "robot": "no grants"}}


class RobotsPage(msgspec.Struct, frozen=True):
    """All robots of a namespace, newest first, and for owners the tokens of the organisation; `secret` is that of `made`."""

    of: Publisher
    robots: list[Token]
    tokens: list[Token]
    may_have_tokens: bool
    made: Credential | None = None
    secret: str = ""


class NewRobotPage(msgspec.Struct, frozen=True):
    """The form as it was typed; `wrong` is the field that cannot be read, and `value` what stands in it."""

    of: Publisher
    kind: Kind
    typed: Mapping[str, str]
    rows: list[tuple[str, str]]  # a pattern, and what may be done with its repositories
    scopes: tuple[Scope, ...] = tuple(Scope)
    roles: tuple[Grant, ...] = tuple(Grant)
    days: tuple[str, ...] = DAYS
    wrong: str = ""
    value: str = ""
    most_rows: int = _MOST_ROWS


class RevokePage(msgspec.Struct, frozen=True):
    """A robot or a token that is asked about, before it is revoked."""

    of: Publisher
    token: Token


async def robots(at: Visit, name: str) -> Answer:
    """GET /orgs/NAME/robots and /me/robots. Raises Denied, Hidden, Unavailable."""
    of = await organisation_or_own(at, Action.GRANT, name, "robots")
    return at.page("robots.html", await _shown(at, of))


async def robot(at: Visit, name: str, which: str) -> Answer:
    """GET and POST /orgs/NAME/robots/new, …/new-token, and …/ID, which asks whether it is to be revoked.

    Raises:
        CredentialUnknown, Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly
    """
    of = await organisation_or_own(at, Action.GRANT, name, "robots")
    if which in NEW:
        return await _new(at, of, NEW[which])
    found = await at.desk.credentials.find(which)
    asks = _ASKS.get(found.kind)
    if found.owner != name or asks is None or not await may(at.call, at.desk, asks, name):
        raise CredentialUnknown(id=which)
    if not at.is_form:
        return at.page("robot_revoke.html", RevokePage(of, Token.of(found, now_us())))
    await at.form()
    await at.desk.credentials.acting(at.author).revoke(which)
    return to(of.here)


async def _new(at: Visit, of: Publisher, kind: Kind) -> Answer:
    await at.require(_ASKS[kind], of.name)
    if kind is Kind.ORGANISATION and of.kind != ORGANISATION:
        raise AddressUnknown
    if not at.is_form:
        typed = {**dict.fromkeys(_FIELDS, ""), "scope": Scope.READ.value, "days": "365"}
        return at.page("robot_new.html", NewRobotPage(of, kind, typed, [("", Grant.READ.value)] * _ROWS))
    form = await at.form()
    shown = NewRobotPage(of, kind, {name: form.get(name, "").strip() for name in _FIELDS}, _rows(form, of.name))
    if form.get("do") == "more":
        rows = [*shown.rows, *[("", Grant.READ.value)] * _ROWS][:_MOST_ROWS]
        return at.page("robot_new.html", replace(shown, rows=rows))
    try:
        made, secret = await _made(at, shown)
    except TermsInvalid as error:
        wrong = _ABOUT[kind].get(str(error.facts["what"]), "days")
        return at.page("robot_new.html", replace(shown, wrong=wrong, value=str(error.facts["value"])), _UNUSABLE)
    except tuple(_WRONG) as error:
        return at.page("robot_new.html", replace(shown, wrong=word_of(error, _WRONG)), _UNUSABLE)
    return at.page("robots.html", replace(await _shown(at, of), made=made, secret=secret), stored=False)


async def _made(at: Visit, shown: NewRobotPage) -> tuple[Credential, str]:
    """Make what a form asks for. Raises NamespaceInvalid, OrganisationUnknown, RobotExists, TermsInvalid, TooMany."""
    typed, verbs = shown.typed, at.desk.credentials.acting(at.author)
    days = days_in(typed["days"])
    by, lifetime_s = at.call.actor.name, days and days * _DAY_S
    if shown.kind is Kind.ROBOT:
        grants = tuple(Held(pattern, Grant(role)) for pattern, role in shown.rows if pattern)
        terms = Terms(Scope.DELETE, networks=words_in(typed["networks"]), grants=grants)
        return await verbs.add_robot(shown.of.name, typed["name"], terms, created_by=by, lifetime_s=lifetime_s)
    return await verbs.add_organisation(shown.of.name, typed["name"], terms_in(typed), created_by=by, lifetime_s=lifetime_s)


async def _shown(at: Visit, of: Publisher) -> RobotsPage:
    at_us, verbs = now_us(), at.desk.credentials
    found = [Token.of(each, at_us) for each in await verbs.of_namespace(of.name, Kind.ROBOT)]
    if of.kind != ORGANISATION or not await may(at.call, at.desk, _ASKS[Kind.ORGANISATION], of.name):
        return RobotsPage(of, found, [], may_have_tokens=False)
    tokens = [Token.of(each, at_us) for each in await verbs.of_namespace(of.name, Kind.ORGANISATION)]
    return RobotsPage(of, found, tokens, may_have_tokens=True)


def _rows(form: Mapping[str, str], namespace: str) -> list[tuple[str, str]]:
    """Return the grants of a form; names may be typed whole."""
    rows = []
    for number in range(_MOST_ROWS):
        if f"pattern{number}" in form:
            role = form.get(f"role{number}", "")
            pattern = form[f"pattern{number}"].strip().removeprefix(f"{namespace}/")
            rows.append((pattern, role if role in tuple(Grant) else Grant.READ.value))
    return rows or [("", Grant.READ.value)]
