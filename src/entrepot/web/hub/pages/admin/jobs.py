"""Background jobs: how far each is and what went wrong, tried again, cancelled and forgotten."""

from typing import Final

import msgspec

from entrepot.platform.jobs import JobRow, JobUnknown
from entrepot.platform.jobs.model import STATES, Progress
from entrepot.web.hub.pages.admin.visit import ADMIN, AT_ONCE, NOTHING_WRONG, REFUSALS, Visit, Wrong, number_in, part
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

JOBS: Final = f"{ADMIN}/jobs"
_NOTHING_DONE: Final = Progress(0)
_ENDLESS: Final = (1 << 63) - 1


class Shown(msgspec.Struct, frozen=True):
    """A job, how far it is, and what it has to do, as text."""

    row: JobRow
    progress: Progress
    arguments: str

    @classmethod
    def of(cls, row: JobRow) -> "Shown":
        """Return what is shown of a row; progress that this release cannot read is none."""
        try:
            progress = msgspec.json.decode(row.progress, type=Progress | None) or _NOTHING_DONE
        except msgspec.MsgspecError:
            progress = _NOTHING_DONE
        return cls(row, progress, bytes(row.arguments).decode())

    @property
    def first_line(self) -> str:
        """The beginning of what went wrong last."""
        return self.row.error.partition("\n")[0]


class JobsPage(msgspec.Struct, frozen=True):
    """Jobs in a state, or in any; the newest first."""

    state: str
    jobs: list[Shown]
    is_first: bool
    before: int | None
    states: tuple[str, ...] = STATES


class JobPage(msgspec.Struct, frozen=True):
    """One job."""

    job: Shown
    wrong: Wrong = NOTHING_WRONG


async def jobs(visit: Visit) -> Answer:
    """GET /admin/jobs. Raises AddressUnknown, QueryInvalid, Unavailable."""
    asked = visit.asked("state")
    state = next((each for each in STATES if each == asked), None)
    if asked and state is None:
        raise AddressUnknown
    before = number_in(visit.asked("before"))
    found, is_more = part(await visit.office.board(visit.by).jobs(state, before=before or _ENDLESS, limit=AT_ONCE + 1))
    shown = [Shown.of(each) for each in found]
    return visit.page("jobs", JobsPage(asked, shown, before is None, found[-1].id if is_more else None))


async def job(visit: Visit, text: str) -> Answer:
    """GET and POST /admin/jobs/ID. Raises AddressUnknown, FormRefused, FormUnreadable, Unavailable."""
    id_, board = number_in(text), visit.office.board(visit.by)
    if id_ is None:
        raise AddressUnknown
    try:
        found = await board.job(id_)
        if not visit.is_form:
            return visit.page("job", JobPage(Shown.of(found)))
        deed = (await visit.form()).get("do", "")
        if deed == "retry":
            await board.retry(id_)
        elif deed == "cancel":
            await board.cancel(id_)
        elif deed == "drop":
            await board.drop(id_)
            return to(JOBS)
        else:
            raise AddressUnknown
    except JobUnknown:
        raise AddressUnknown from None
    except REFUSALS as error:
        wrong = Wrong.of(error)
        return visit.page("job", JobPage(Shown.of(await board.job(id_)), wrong), wrong)
    return to(f"{JOBS}/{id_}")
