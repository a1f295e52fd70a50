"""The queue of reports: what people say is wrong with images, settled or rejected with a note."""

from typing import Final

import msgspec

from entrepot.domain.catalogue.errors import ReportInvalid, ReportUnknown
from entrepot.domain.catalogue.model import LONGEST_REPORT, Report, ReportState
from entrepot.web.hub.pages.admin.visit import ADMIN, AT_ONCE, NOTHING_WRONG, Visit, Wrong, number_in, part
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

REPORTS: Final = f"{ADMIN}/reports"
_ENDLESS: Final = (1 << 63) - 1


class ReportsPage(msgspec.Struct, frozen=True):
    """Reports in a state, the newest first."""

    state: ReportState
    reports: list[Report]
    is_first: bool
    before: int | None
    states: tuple[ReportState, ...] = tuple(ReportState)


class OneReportPage(msgspec.Struct, frozen=True):
    """One report, and the note as it was typed."""

    report: Report
    note: str
    wrong: Wrong = NOTHING_WRONG
    longest: int = LONGEST_REPORT


async def reports(visit: Visit) -> Answer:
    """GET /admin/reports. Raises AddressUnknown, QueryInvalid, Unavailable."""
    asked = visit.asked("state") or ReportState.OPEN.value
    state = next((each for each in ReportState if each.value == asked), None)
    if state is None:
        raise AddressUnknown
    before = number_in(visit.asked("before"))
    found, is_more = part(await visit.office.reports.page(state, before or _ENDLESS, AT_ONCE + 1))
    return visit.page("reports", ReportsPage(state, found, before is None, found[-1].id if is_more else None))


async def one_report(visit: Visit, text: str) -> Answer:
    """GET and POST /admin/reports/ID. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly, Unavailable."""
    id_, verbs = number_in(text), visit.office.reports.acting(visit.by)
    try:
        found = await verbs.find(id_ or 0)
    except ReportUnknown:
        raise AddressUnknown from None
    if not visit.is_form:
        return visit.page("report", OneReportPage(found, found.note))
    form = await visit.form()
    state = next((each for each in ReportState if each.value == form.get("do")), None)
    if state is None:
        raise AddressUnknown
    try:
        await verbs.decide(found.id, state, form.get("note", ""))
    except ReportInvalid:
        wrong = Wrong("note")
        return visit.page("report", OneReportPage(found, form.get("note", ""), wrong), wrong)
    return to(f"{REPORTS}/{found.id}")
