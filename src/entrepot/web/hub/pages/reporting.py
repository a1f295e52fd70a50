"""Reporting an image: what is wrong with it, by anybody who sees it, signed in or not."""

from typing import Final
from urllib.parse import quote

import msgspec

from entrepot.domain.accounts.errors import TooManyAsked
from entrepot.domain.catalogue.errors import ReportInvalid, ReportsFull
from entrepot.domain.catalogue.model import LONGEST_REPORT, Reason
from entrepot.domain.catalogue.service.reports import Reports
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub.pages.cards import shown_name
from entrepot.web.hub.rendering import Frame, page, to
from entrepot.web.hub.visiting import read_form
from entrepot.web.shared.call import Answer, Call

_UNUSABLE: Final = 422
_TOO_MANY: Final = 429


class ReportPage(msgspec.Struct, frozen=True):
    """The form as it was sent, or that it arrived; `wrong` is why it did not."""

    name: str
    is_sent: bool
    reason: str = ""
    said: str = ""
    wrong: str = ""
    wait_s: int = 0
    reasons: tuple[Reason, ...] = tuple(Reason)
    longest: int = LONGEST_REPORT


async def report(call: Call, registry: Registry, reports: Reports, frame: Frame, name: RepositoryName) -> Answer:
    """GET and POST /r/NAME/-/report.

    Raises:
        FormRefused, FormUnreadable, RegistryReadOnly, Renamed, RepositoryUnknown, Unavailable, Unproven
    """
    found = await registry.listing.one(call.actor, name)
    shown = ReportPage(shown_name(found.name), call.one("sent") == "1")
    if call.method != "POST":
        return page(call, frame, "report.html", shown)
    form = await read_form(call, frame.place, frame.visitor)
    reason = next((each for each in Reason if each.value == form.get("reason")), None)
    shown = msgspec.structs.replace(shown, reason=form.get("reason", ""), said=form.get("said", ""), is_sent=False)
    if reason is None:
        return page(call, frame, "report.html", msgspec.structs.replace(shown, wrong="reason"), _UNUSABLE)
    try:
        await reports.make(call.acting, name, (reason, shown.said), call.client)
    except ReportInvalid:
        return page(call, frame, "report.html", msgspec.structs.replace(shown, wrong="words"), _UNUSABLE)
    except ReportsFull:
        return page(call, frame, "report.html", msgspec.structs.replace(shown, wrong="full"), _TOO_MANY)
    except TooManyAsked as many:
        told = msgspec.structs.replace(shown, wrong="many", wait_s=many.retry_after_s)
        return page(call, frame, "report.html", told, _TOO_MANY)
    return to(f"/r/{quote(shown.name, safe='/')}/-/report?sent=1")
