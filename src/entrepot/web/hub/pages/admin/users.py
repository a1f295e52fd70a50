"""All users: found by the beginning of their name; each can be locked, made an administrator, sent a link, and deleted.

Making somebody an administrator asks for the password once more, as whatever a browser that was left open must not be enough for.
Nobody does any of this to themselves here: another administrator does.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from entrepot.domain.accounts.errors import AccountUnknown
from entrepot.domain.accounts.model import Account, Member
from entrepot.domain.plans.model import Plan
from entrepot.web.hub.pages.admin.visit import ADMIN, AT_ONCE, NOTHING_WRONG, REFUSALS, Form, Visit, Wrong, part
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

USERS: Final = f"{ADMIN}/users"


class UsersPage(msgspec.Struct, frozen=True):
    """Users whose names begin so, behind `after`; `typed` is the form for another one, as it was sent."""

    begins: str
    after: str
    users: list[Account]
    next_query: str
    mails: bool
    typed: Mapping[str, str]
    wrong: Wrong = NOTHING_WRONG


class UserPage(msgspec.Struct, frozen=True):
    """A user. `is_self` says that it is the reader; `said` is what was just done and cannot be seen."""

    account: Account
    plan: Plan
    organisations: list[Member]
    is_self: bool
    mails: bool
    needs_code: bool  # the reader's own second factor is on
    said: str = ""
    wrong: Wrong = NOTHING_WRONG


async def users(visit: Visit) -> Answer:
    """GET /admin/users lists, POST makes one. Raises FormRefused, FormUnreadable, QueryInvalid, RegistryReadOnly."""
    if not visit.is_form:
        return await _list(visit, {"name": "", "email": ""})
    form = await visit.form()
    name, password, email = form.get("name", ""), form.get("password", ""), form.get("email", "")
    try:
        await visit.desk.changing.acting(visit.by).add(name, password or None, email=email or None)
    except REFUSALS as error:
        return await _list(visit, {"name": name, "email": email}, Wrong.of(error))
    return to(f"{USERS}/{quote(name)}")


async def _list(visit: Visit, typed: Form, wrong: Wrong = NOTHING_WRONG) -> Answer:
    begins, after = visit.asked("begins").lower(), visit.asked("after")
    found, is_more = part(await visit.office.directory.users(begins, after, AT_ONCE + 1))
    following = urlencode({"begins": begins, "after": found[-1].name}) if is_more else ""
    return visit.page("users", UsersPage(begins, after, found, following, visit.desk.mails, typed, wrong), wrong)


async def user(visit: Visit, name: str) -> Answer:
    """GET and POST /admin/users/NAME. Raises AddressUnknown, FormRefused, FormUnreadable, QueryInvalid, RegistryReadOnly."""
    try:
        account = await visit.desk.users.find(name)
    except AccountUnknown:
        raise AddressUnknown from None
    if not visit.is_form:
        return await _shown(visit, account)
    form = await visit.form()
    deed = _DEEDS.get(form.get("do", ""))
    if deed is None or account.id == visit.visitor.account.id:
        raise AddressUnknown
    if form["do"] == "delete" and form.get("name", "") != name:
        return await _shown(visit, account, Wrong("typed"))
    try:
        return to(await deed(visit, account, form))
    except REFUSALS as error:
        return await _shown(visit, account, Wrong.of(error))


async def _shown(visit: Visit, account: Account, wrong: Wrong = NOTHING_WRONG) -> Answer:
    desk = visit.desk
    about = UserPage(
        account,
        await desk.plans.of(account.name),
        await desk.organisations.of_account(account.id),
        account.id == visit.visitor.account.id,
        desk.mails,
        visit.visitor.account.second_factor_at is not None,
        "link" if visit.asked("done") == "link" else "",
        wrong,
    )
    return visit.page("user", about, wrong)


async def _lock(visit: Visit, account: Account, _form: Form) -> str:
    await visit.desk.changing.acting(visit.by).set_active(account.name, is_active=False)
    return _place(account)


async def _unlock(visit: Visit, account: Account, _form: Form) -> str:
    await visit.desk.changing.acting(visit.by).set_active(account.name, is_active=True)
    return _place(account)


async def _promote(visit: Visit, account: Account, form: Form) -> str:
    await visit.prove(form)
    await visit.desk.changing.acting(visit.by).set_admin(account.name, is_admin=True)
    return _place(account)


async def _demote(visit: Visit, account: Account, _form: Form) -> str:
    await visit.desk.changing.acting(visit.by).set_admin(account.name, is_admin=False)
    return _place(account)


async def _send(visit: Visit, account: Account, _form: Form) -> str:
    """Have a link sent by which they choose another password, as whoever forgot theirs asks for one."""
    if not visit.desk.mails or not account.email or not account.is_active:
        raise AddressUnknown
    await visit.desk.recovery.send_reset(account, visit.by)
    return f"{_place(account)}?done=link"


async def _delete(visit: Visit, account: Account, _form: Form) -> str:
    await visit.desk.changing.acting(visit.by).delete(account.name)
    return USERS


def _place(account: Account) -> str:
    return f"{USERS}/{quote(account.name)}"


_DEEDS: Final[Mapping[str, Callable[[Visit, Account, Form], Awaitable[str]]]] = {
    "lock": _lock,
    "unlock": _unlock,
    "promote": _promote,
    "demote": _demote,
    "link": _send,
    "delete": _delete,
}
