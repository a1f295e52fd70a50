"""How the hub is: what needs a person now, and figures, of which only those are told that can be told at once."""

from typing import Final

import msgspec

from entrepot.base.clock import now_us, seconds_us
from entrepot.domain.access.model import Mode
from entrepot.domain.audit.model import Wanted
from entrepot.web.hub.office import Machine
from entrepot.web.hub.pages.admin.audit import Entry
from entrepot.web.hub.pages.admin.visit import Visit
from entrepot.web.shared.call import Answer

MOST: Final = 10_000  # of which more is not counted: looking at all of them would take long
_FAILED: Final = 50
_NEWEST: Final = 5
_SOON_US: Final = seconds_us(14 * 86_400)
_TIGHT: Final = 2  # times what is kept free


class OverviewPage(msgspec.Struct, frozen=True):
    """The hub at a glance; of numbers above `most` only that is known. `needs` are words for what needs a person.

    `newest` are the last rows of the audit log.
    """

    users: int
    organisations: int
    repositories: int
    machine: Machine
    failed: int
    reported: int
    running: int
    mode: Mode
    needs: list[str]
    newest: list[Entry]
    most: int = MOST
    most_failed: int = _FAILED


async def overview(visit: Visit) -> Answer:
    """GET /admin. Raises Unavailable."""
    office = visit.office
    users, organisations = await office.directory.counts(MOST + 1)
    repositories = await visit.registry.listing.count(MOST + 1)
    machine, mode, board = await office.machine(), await office.modes.current(), office.board(visit.by)
    failed = len(await board.jobs("failed", limit=_FAILED + 1))
    running = await board.count_running()
    reported = await office.reports.count_open(_FAILED + 1)
    needs = [word for word, is_so in [*_needs(machine, mode, failed), ("reports", reported > 0)] if is_so]
    newest = [Entry.of(each) for each in await office.audit.newest(Wanted(), _NEWEST)]
    about = OverviewPage(users, organisations, repositories, machine, failed, reported, running, mode, needs, newest)
    return visit.page("overview", about)


def _needs(machine: Machine, mode: Mode, failed: int) -> list[tuple[str, bool]]:
    """Return what may need a person, the worst first, and whether it does."""
    free, ends = machine.disk_free_bytes, machine.certificate_ends_at
    return [
        ("disk", free is not None and free < _TIGHT * machine.disk_min_free_bytes),
        ("certificate", ends is not None and ends < now_us() + _SOON_US),
        ("mode", mode.read_only),
        ("jobs", failed > 0),
    ]
