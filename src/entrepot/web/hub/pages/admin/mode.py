"""The read-only mode: pulls go on, and nothing is changed while it lasts."""

from typing import Final

import msgspec

from entrepot.domain.access.model import Mode
from entrepot.web.hub.pages.admin.visit import ADMIN, NOTHING_WRONG, Visit, Wrong
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

MODE: Final = f"{ADMIN}/mode"
_LONGEST_REASON: Final = 200  # characters: it stands in each refusal


class ModePage(msgspec.Struct, frozen=True):
    """The mode, the reason as it was typed, and how many jobs still run."""

    mode: Mode
    running: int
    typed: str = ""
    wrong: Wrong = NOTHING_WRONG
    longest: int = _LONGEST_REASON


async def mode(visit: Visit) -> Answer:
    """GET and POST /admin/mode. Raises AddressUnknown, FormRefused, FormUnreadable, Unavailable."""
    modes, running = visit.office.modes, await visit.office.board(visit.by).count_running()
    if not visit.is_form:
        return visit.page("mode", ModePage(await modes.current(), running))
    form = await visit.form()
    reason = form.get("reason", "")
    if form.get("do") not in ("close", "open"):
        raise AddressUnknown
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        wrong = Wrong("reason")
        return visit.page("mode", ModePage(await modes.current(), running, reason, wrong), wrong)
    is_closed = form["do"] == "close"
    await modes.change(read_only=is_closed, reason=reason if is_closed else "", by=visit.by)
    return to(MODE)
