"""Signing in with a browser, in one step or two, and signing out."""

from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.access.errors import TokenRefused
from entrepot.domain.access.service.identity import actor_of
from entrepot.domain.accounts.errors import CodeRefused, SecondFactorMissing, SignInRefused, TooManySignIns
from entrepot.domain.accounts.model import Account
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.visiting import place_after, read_form
from entrepot.web.shared.call import Answer, Call

_REFUSED: Final = 403
_TOO_MANY: Final = 429
_AFTER: Final = "next"
_STEP: Final = "step"


class SignInPage(msgspec.Struct, frozen=True):
    """The form: `after` is where it leads, `name` what was typed, `trouble` why it is there again ('' at first).

    `step` tells that the password was right and a code is wanted; `wait_s` for how long nobody may try.
    """

    after: str
    name: str = ""
    trouble: str = ""
    step: str = ""
    wait_s: int = 0


async def sign_in(call: Call, frame: Frame, desk: Desk) -> Answer:
    """GET and POST /sign-in.

    Raises:
        FormRefused, FormUnreadable, Unavailable
    """
    if call.method != "POST":
        after = place_after(call.one(_AFTER))
        return to(after) if frame.visitor else _form(call, frame, SignInPage(after), 200)
    form = await read_form(call, frame.place, None)
    asked = SignInPage(place_after(form.get(_AFTER)), form.get("name", "").strip(), step=form.get(_STEP, ""))
    try:
        return await _tried(call, frame, desk, asked, form)
    except TooManySignIns as many:
        return _form(call, frame, replace(asked, trouble="many", wait_s=many.retry_after_s), _TOO_MANY)
    except CodeRefused:
        return _form(call, frame, replace(asked, trouble="code"), _REFUSED)
    except (TokenRefused, SecondFactorMissing):  # the second step came too late, or after a new password
        return _form(call, frame, replace(asked, trouble="late", step=""), _REFUSED)
    except SignInRefused:
        return _form(call, frame, replace(asked, trouble="refused", step=""), _REFUSED)


async def _tried(call: Call, frame: Frame, desk: Desk, asked: SignInPage, form: dict[str, str]) -> Answer:
    """Let somebody in, or ask for the second step. Raises what `_second` does."""
    if asked.step:
        account = await _second(call, desk, asked.step, form.get("code", ""))
    else:
        account = await desk.users.sign_in(asked.name, form.get("password", ""), call.client)
        if account.second_factor_at is not None:
            step = await desk.tokens.issue_second_step(actor_of(account))
            return _form(call, frame, replace(asked, name=account.name, step=step), 200)
    return to(asked.after, await desk.visits.begin(call, frame.scheme, account))


async def sign_out(call: Call, frame: Frame, desk: Desk) -> Answer:
    """POST /sign-out. Raises FormRefused, FormUnreadable."""
    await read_form(call, frame.place, frame.visitor)
    return to("/", await desk.visits.end(frame.visitor, frame.scheme))


async def _second(call: Call, desk: Desk, step: str, code: str) -> Account:
    """Return who has proved the second step. Raises CodeRefused, SignInRefused, TokenRefused, TooManySignIns."""
    actor = await desk.identity.still(await desk.tokens.read_second_step(step))
    account = await desk.users.find(actor.name)
    await desk.factors.prove(account, "".join(code.split()), call.client)
    return account


def _form(call: Call, frame: Frame, about: SignInPage, status: int) -> Answer:
    answer = page(call, frame, "second_step.html" if about.step else "sign_in.html", about, status)
    if about.wait_s:
        answer.headers.append((b"retry-after", b"%d" % about.wait_s))
    return answer
