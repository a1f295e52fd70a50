"""Plans: what each allows, made, changed and deleted, and given to users and organisations."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from entrepot.domain.plans.errors import PlanInvalid, PlanUnknown
from entrepot.domain.plans.model import Plan
from entrepot.web.hub.pages.admin.visit import ADMIN, NOTHING_WRONG, REFUSALS, Form, Visit, Wrong
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

PLANS: Final = f"{ADMIN}/plans"
_NEW: Final = Plan("", 100, None, None, None, None, 0, ())
_LIMITS: Final = ("private_repositories", "storage_bytes", "pulls", "seats")
_NUMBERS: Final = ("rank", "priority")
_DIGITS: Final = 16


class PlansPage(msgspec.Struct, frozen=True):
    """All plans, and the forms that give one and make one, as they were sent."""

    plans: Sequence[Plan]
    typed: Mapping[str, str]
    wrong: Wrong = NOTHING_WRONG


class PlanPage(msgspec.Struct, frozen=True):
    """A plan and its form."""

    name: str
    typed: Mapping[str, str]
    wrong: Wrong = NOTHING_WRONG


async def plans(visit: Visit) -> Answer:
    """GET /admin/plans lists, POST gives or makes one. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly."""
    if not visit.is_form:
        return await _list(visit, _typed(_NEW))
    form = await visit.form()
    verbs = visit.desk.plans.acting(visit.by)
    try:
        if form.get("do") == "give":
            await verbs.give(form.get("namespace", ""), form.get("plan", ""))
        elif form.get("do") == "make":
            if form.get("name") in {each.name for each in await verbs.all()}:
                return await _list(visit, {**_typed(_NEW), **form}, Wrong("taken"))
            await verbs.put(_read(form, form.get("name", "")))
        else:
            raise AddressUnknown
    except REFUSALS as error:
        return await _list(visit, {**_typed(_NEW), **form}, Wrong.of(error))
    return to(PLANS)


async def _list(visit: Visit, typed: Form, wrong: Wrong = NOTHING_WRONG) -> Answer:
    typed = {"namespace": "", "plan": "", **typed}
    return visit.page("plans", PlansPage(await visit.desk.plans.all(), typed, wrong), wrong)


async def plan(visit: Visit, name: str) -> Answer:
    """GET and POST /admin/plans/NAME. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly."""
    try:
        found = await visit.desk.plans.find(name)
    except PlanUnknown:
        raise AddressUnknown from None
    if not visit.is_form:
        return visit.page("plan", PlanPage(name, _typed(found)))
    form, verbs = await visit.form(), visit.desk.plans.acting(visit.by)
    try:
        if form.get("do") == "change":
            await verbs.put(_read(form, name))
            return to(f"{PLANS}/{quote(name)}")
        if form.get("do") == "delete":
            await verbs.delete(name)
            return to(PLANS)
    except REFUSALS as error:
        had = form.get("do") == "delete" and isinstance(error, PlanInvalid)
        wrong = Wrong("had") if had else Wrong.of(error)
        return visit.page("plan", PlanPage(name, {**_typed(found), **form}, wrong), wrong)
    raise AddressUnknown


def _typed(found: Plan) -> Form:
    """Return a plan as its form has it: nothing stands for any number."""
    numbers = {name: getattr(found, name) for name in (*_LIMITS, *_NUMBERS)}
    texts = {name: "" if value is None else str(value) for name, value in numbers.items()}
    return {"name": found.name, **texts, "features": " ".join(found.features)}


def _read(form: Form, name: str) -> Plan:
    """Return the plan that a form describes. Raises PlanInvalid."""
    limits = {what: _number(what, form.get(what, "")) if form.get(what) else None for what in _LIMITS}
    rank, priority = (_number(what, form.get(what, "") or "0") for what in _NUMBERS)
    return Plan(name=name, rank=rank, priority=priority, features=tuple(form.get("features", "").split()), **limits)


def _number(what: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise PlanInvalid(what=what.replace("_", " "), value=text[:_DIGITS], expected="a number, or nothing for any number")
    return int(text)
