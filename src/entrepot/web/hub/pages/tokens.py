"""Access tokens of one's own: what each may do in a sentence, made with a form, shown once, revoked at once."""

from collections.abc import Mapping
from typing import Final

import msgspec

from entrepot.base.clock import now_us, seconds_us
from entrepot.domain.accounts.errors import CredentialUnknown, TermsInvalid, TooMany
from entrepot.domain.accounts.model import Credential, Kind, Scope, Terms
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.visiting import Visitor, read_form
from entrepot.web.shared.call import Answer, Call

TOKENS: Final = "/me/tokens"
NEW: Final = f"{TOKENS}/new"
_DAY_S: Final = 86_400
_SOON_US: Final = seconds_us(14 * _DAY_S)
DAYS: Final = ("30", "90", "365", "")  # "" is for ever
_UNUSABLE: Final = 422
_FIELDS: Final = ("name", "scope", "repositories", "tags", "networks", "days")
# Which field of the form an error is about, by what the domain calls it.
ABOUT: Final = {
    "name": "name",
    "pattern of repositories": "repositories",
    "list of repositories": "repositories",
    "pattern of tags": "tags",
    "list of tags": "tags",
    "network": "networks",
    "list of networks": "networks",
}


class Token(msgspec.Struct, frozen=True):
    """A token in the list; `state` is active, soon (it ends within two weeks), expired or revoked."""

    about: Credential
    state: str

    @classmethod
    def of(cls, found: Credential, at_us: int) -> "Token":
        """Return what is shown of it at a moment."""
        ends = found.expires_at
        if found.revoked_at is not None:
            state = "revoked"
        elif ends is not None and ends <= at_us:
            state = "expired"
        else:
            state = "soon" if ends is not None and ends <= at_us + _SOON_US else "active"
        return cls(found, state)

    @property
    def holds(self) -> bool:
        """Tell whether it still signs in."""
        return self.state in ("active", "soon")


class TokensPage(msgspec.Struct, frozen=True):
    """All tokens, newest first; `secret` is that of the one that was just made."""

    tokens: list[Token]
    made: Credential | None = None
    secret: str = ""


class NewTokenPage(msgspec.Struct, frozen=True):
    """The form as it was typed; `wrong` is the field that cannot be read, and `value` what stands in it."""

    typed: Mapping[str, str]
    scopes: tuple[Scope, ...] = tuple(Scope)
    days: tuple[str, ...] = DAYS
    wrong: str = ""
    value: str = ""


async def tokens(call: Call, frame: Frame, desk: Desk, visitor: Visitor) -> Answer:
    """GET /me/tokens lists them, POST makes one and shows it. Raises FormRefused, FormUnreadable, RegistryReadOnly."""
    if call.method != "POST":
        return page(call, frame, "tokens.html", TokensPage(await _all(desk, visitor)))
    form = await read_form(call, frame.place, visitor)
    typed = {name: form.get(name, "").strip() for name in _FIELDS}
    try:
        terms = terms_in(typed)
        days = days_in(typed["days"])
        verbs = desk.credentials.acting(call.acting.author)
        made, secret = await verbs.add_personal(visitor.account.name, typed["name"], terms, lifetime_s=days and days * _DAY_S)
    except TermsInvalid as error:
        wrong, value = ABOUT.get(str(error.facts["what"]), "days"), str(error.facts["value"])
        return page(call, frame, "token_new.html", NewTokenPage(typed, wrong=wrong, value=value), _UNUSABLE)
    except TooMany:
        return page(call, frame, "token_new.html", NewTokenPage(typed, wrong="many"), _UNUSABLE)
    return page(call, frame, "tokens.html", TokensPage(await _all(desk, visitor), made, secret), stored=False)


async def new_token(call: Call, frame: Frame) -> Answer:
    """GET /me/tokens/new."""
    return page(call, frame, "token_new.html", NewTokenPage({**dict.fromkeys(_FIELDS, ""), "scope": Scope.READ, "days": "90"}))


async def revoke(call: Call, frame: Frame, desk: Desk, visitor: Visitor, id_: str) -> Answer:
    """GET /me/tokens/ID asks whether it is to be revoked, POST does it.

    Raises:
        CredentialUnknown, FormRefused, FormUnreadable, RegistryReadOnly
    """
    found = await desk.credentials.find(id_)
    if found.account != visitor.account.id or found.kind is not Kind.PERSONAL:
        raise CredentialUnknown(id=id_)
    if call.method != "POST":
        return page(call, frame, "token_revoke.html", Token.of(found, now_us()))
    await read_form(call, frame.place, visitor)
    await desk.credentials.acting(call.acting.author).revoke(id_)
    return to(TOKENS)


async def _all(desk: Desk, visitor: Visitor) -> list[Token]:
    at_us = now_us()
    return [Token.of(each, at_us) for each in await desk.credentials.of_account(visitor.account)]


def terms_in(typed: Mapping[str, str]) -> Terms:
    """Return what a form lets a token do; a scope that there is not is the second least."""
    scope = Scope(typed["scope"]) if typed["scope"] in tuple(Scope) else Scope.READ
    return Terms(scope, words_in(typed["repositories"]), words_in(typed["tags"]), words_in(typed["networks"]))


def days_in(text: str) -> int | None:
    """Return after how many days it ends. Raises TermsInvalid."""
    if not text:
        return None
    if text not in DAYS:
        raise TermsInvalid(what="days", value=text, expected="one of those that are offered")
    return int(text)


def words_in(text: str) -> tuple[str, ...]:
    """Return what was typed with spaces or commas between."""
    return tuple(text.replace(",", " ").split())
