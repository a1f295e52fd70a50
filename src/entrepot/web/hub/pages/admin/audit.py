"""The audit log, newest first, by who, what, where and when; and how its chain stands."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from entrepot.domain.audit.model import Act, ChainState, Event, Wanted
from entrepot.domain.audit.service.reading import NEWEST
from entrepot.web.hub.pages.admin.visit import AT_ONCE, NOTHING_WRONG, Visit, Wrong, part
from entrepot.web.shared.call import Answer

_FILTERS: Final = ("actor", "act", "namespace", "since", "until")
_CURSOR: Final = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
_SECOND_US: Final = 1_000_000


class Entry(msgspec.Struct, frozen=True):
    """A row, and its details as pairs."""

    event: Event
    details: list[tuple[str, str]]

    @classmethod
    def of(cls, event: Event) -> "Entry":
        """Return what is shown of a row."""
        return cls(event, [(name, _text(value)) for name, value in json.loads(event.details).items()])


class AuditPage(msgspec.Struct, frozen=True):
    """What was asked for, as it was typed, and what there is of it."""

    typed: dict[str, str]
    entries: list[Entry]
    state: ChainState
    is_first: bool
    next_query: str
    acts: tuple[str, ...] = tuple(sorted(Act))
    wrong: Wrong = NOTHING_WRONG


async def audit(visit: Visit) -> Answer:
    """GET /admin/audit. Raises QueryInvalid, Unavailable."""
    typed = {name: visit.asked(name) for name in _FILTERS}
    cursor = visit.asked("after")
    before = NEWEST
    if _CURSOR.fullmatch(cursor):
        at, _, id_ = cursor.partition(".")
        before = int(at), int(id_)
    state = await visit.office.audit.state()
    wanted = _wanted(typed)
    if wanted is None:
        wrong = Wrong("day")
        return visit.page("audit", AuditPage(typed, [], state, is_first=True, next_query="", wrong=wrong), wrong)
    found, is_more = part(await visit.office.audit.newest(wanted, AT_ONCE + 1, before))
    following = ""
    if is_more:
        kept = {name: value for name, value in typed.items() if value}
        following = urlencode({**kept, "after": f"{found[-1].happened_at}.{found[-1].id}"})
    entries = [Entry.of(each) for each in found]
    return visit.page("audit", AuditPage(typed, entries, state, before == NEWEST, following))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _wanted(typed: dict[str, str]) -> Wanted | None:
    """Return what is looked for, with whole days in UTC; None where one of them is none."""
    act = typed["act"] if typed["act"] in tuple(Act) else ""
    wanted = Wanted(typed["actor"], act, typed["namespace"])
    try:
        if typed["since"]:
            wanted = replace(wanted, since=_day(typed["since"]))
        if typed["until"]:
            wanted = replace(wanted, until=_day(typed["until"], days=1))
    except (ValueError, OverflowError):
        return None
    return wanted


def _day(text: str, days: int = 0) -> int:
    """Return the moment at which a day begins that is so many behind this one. Raises ValueError, OverflowError."""
    day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days)
    return int(day.timestamp()) * _SECOND_US
