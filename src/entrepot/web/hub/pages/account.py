"""One's own account: password, second factor, the browsers that are signed in, and the language of mails.

What a browser that was left open must not be enough for asks for the password once more, and for a code where one is needed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.accounts.errors import (
    CodeNeeded,
    CodeRefused,
    SecondFactorMissing,
    SecondFactorThere,
    SessionUnknown,
    SignInRefused,
    TooManySignIns,
)
from entrepot.domain.accounts.model import Language, Session
from entrepot.domain.accounts.service.factors import Enrolment, FactorState
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.wrongs import PASSWORDS, Words, word_of
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.visiting import Visitor, read_form
from entrepot.web.shared.call import Answer, Call

ACCOUNT: Final = "/me/account"
_UNUSABLE: Final = 422
_TOO_MANY: Final = 429
_WRONG: Final[Words] = {
    SignInRefused: "password",
    CodeNeeded: "code",
    CodeRefused: "code",
    **PASSWORDS,
    SecondFactorThere: "factor",
    SecondFactorMissing: "factor",
    SessionUnknown: "session",
}
_REFUSALS: Final = tuple(_WRONG)
Form = dict[str, str]


class AccountPage(msgspec.Struct, frozen=True):
    """The account as it is; `enrolment` is what an app is told, `codes` are recovery codes, told this once."""

    factor: FactorState
    sessions: list[Session]
    current: str  # the id of this browser's session
    languages: tuple[Language, ...] = tuple(Language)
    enrolment: Enrolment | None = None
    codes: list[str] = []
    done: str = ""
    wrong: str = ""
    wait_s: int = 0


async def account(call: Call, frame: Frame, desk: Desk, visitor: Visitor) -> Answer:
    """GET and POST /me/account. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly, Unavailable."""
    if call.method != "POST":
        return page(call, frame, "account.html", await _shown(desk, visitor))
    form = await read_form(call, frame.place, visitor)
    deed = _DEEDS.get(form.get("do", ""))
    if deed is None:
        raise AddressUnknown
    try:
        return await deed(call, frame, desk, visitor, form)
    except TooManySignIns as many:
        shown = replace(await _shown(desk, visitor), wrong="many", wait_s=many.retry_after_s)
        return page(call, frame, "account.html", shown, _TOO_MANY)
    except _REFUSALS as error:
        wrong = word_of(error, _WRONG)
        shown = await _shown(desk, visitor)
        if wrong == "code" and form.get("secret"):  # the app knows the secret already: it is shown again as it was
            shown = replace(shown, enrolment=Enrolment(form["secret"], form.get("address", "")))
        return page(call, frame, "account.html", replace(shown, wrong=wrong), _UNUSABLE)


async def _password(call: Call, frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    """Replace the password: all browsers are signed out by that but this one, which is signed in anew."""
    name = visitor.account.name
    await _prove(call, desk, visitor, form)
    await desk.changing.acting(call.acting.author).set_password(name, form.get("new", ""))
    return to(ACCOUNT, await desk.visits.begin(call, frame.scheme, await desk.users.find(name)))


async def _begin(call: Call, frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    await _prove(call, desk, visitor, form)
    made = await desk.enrolling.acting(call.acting.author).begin(visitor.account)
    return page(call, frame, "account.html", replace(await _shown(desk, visitor), enrolment=made), stored=False)


async def _confirm(call: Call, frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    """Turn the second factor on by a code of the app; this browser alone stays signed in."""
    verbs = desk.enrolling.acting(call.acting.author)
    codes = await verbs.confirm(visitor.account, "".join(form.get("code", "").split()), call.client)
    now = await desk.users.find(visitor.account.name)
    visitor, cookie = await desk.visits.begun(call, frame.scheme, now)
    shown = replace(await _shown(desk, visitor), codes=codes)
    answer = page(call, replace(frame, visitor=visitor), "account.html", shown, stored=False)
    answer.headers.append(cookie)
    return answer


async def _codes(call: Call, frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    await _prove(call, desk, visitor, form)
    codes = await desk.enrolling.acting(call.acting.author).new_recovery_codes(visitor.account)
    return page(call, frame, "account.html", replace(await _shown(desk, visitor), codes=codes), stored=False)


async def _remove(call: Call, frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    await _prove(call, desk, visitor, form)
    await desk.enrolling.acting(call.acting.author).remove(visitor.account)
    return to(ACCOUNT, await desk.visits.begin(call, frame.scheme, await desk.users.find(visitor.account.name)))


async def _language(call: Call, _frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    wanted = form.get("language", "")
    if wanted not in tuple(Language):
        raise AddressUnknown
    await desk.changing.acting(call.acting.author).set_language(visitor.account.name, wanted)
    return to(ACCOUNT)


async def _end(call: Call, _frame: Frame, desk: Desk, visitor: Visitor, form: Form) -> Answer:
    await desk.sessions.acting(call.acting.author).end(visitor.account, form.get("session", ""))
    return to(ACCOUNT)


async def _end_all(call: Call, frame: Frame, desk: Desk, visitor: Visitor, _form: Form) -> Answer:
    await desk.sessions.acting(call.acting.author).sign_out_everywhere(visitor.account)
    return to("/sign-in", await desk.visits.end(None, frame.scheme))


_DEEDS: Final[Mapping[str, Callable[[Call, Frame, Desk, Visitor, Form], Awaitable[Answer]]]] = {
    "password": _password,
    "begin": _begin,
    "confirm": _confirm,
    "codes": _codes,
    "remove": _remove,
    "language": _language,
    "end": _end,
    "end-all": _end_all,
}


async def _prove(call: Call, desk: Desk, visitor: Visitor, form: Form) -> None:
    """Do nothing when the password, and the code if one is needed, are right. Raises CodeNeeded, CodeRefused, SignInRefused."""
    code = "".join(form.get("code", "").split())
    await desk.sessions.prove(visitor.account.name, form.get("current", ""), code, call.client)


async def _shown(desk: Desk, visitor: Visitor) -> AccountPage:
    sessions = await desk.sessions.of_account(visitor.account)
    return AccountPage(await desk.factors.state(visitor.account), sessions, visitor.session)
