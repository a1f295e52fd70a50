"""The audit log of a namespace: what was done in it, newest first, by act, by whom, and from when to when."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.domain.access.model import Action
from entrepot.domain.audit.errors import ActUnknown
from entrepot.domain.audit.model import Act, Event, Wanted
from entrepot.domain.audit.service.reading import NEWEST, as_json
from entrepot.web.hub.pages.publishers import Publisher, Visit, organisation_or_own
from entrepot.web.shared.call import Answer

_LONGEST: Final = 255
_AT_ONCE: Final = 50
_CURSOR: Final = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
_ENDLESS: Final = Wanted().until
_UNUSABLE: Final = 422


class Filter(msgspec.Struct, frozen=True):
    """Which acts are wanted, as it was typed: days are those of UTC, the last one included."""

    act: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> list[tuple[str, str]]:
        """What of it an address has."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if getattr(self, name)]


class Entry(msgspec.Struct, frozen=True):
    """An act, and what else is told of it."""

    event: Event
    details: list[tuple[str, str]]


class TrailPage(msgspec.Struct, frozen=True):
    """A part of the log; `wrong` is what of the filter cannot be read, and then nothing is shown."""

    of: Publisher
    wanted: Filter
    entries: list[Entry]
    after: str
    next_after: str
    acts: tuple[Act, ...] = tuple(Act)
    wrong: str = ""


async def trail(at: Visit, name: str) -> Answer:
    """GET /orgs/NAME/audit and /me/audit. Raises Denied, Hidden, QueryInvalid, Unavailable."""
    of = await organisation_or_own(at, Action.MANAGE, name, "audit")
    wanted = Filter(*((at.call.one(each) or "").strip()[:_LONGEST] for each in Filter.__struct_fields__))
    after = at.call.one("after") or ""
    try:
        asked = _wanted(wanted)
        names = [name, *await at.registry.names.held_by(name)]
        found = await at.desk.office.audit.of_namespace(names, asked, _AT_ONCE + 1, _before(after))
    except (ActUnknown, ValueError, OverflowError) as error:
        wrong = "act" if isinstance(error, ActUnknown) else "time"
        return at.page("trail.html", TrailPage(of, wanted, [], "", "", wrong=wrong), _UNUSABLE)
    shown = found[:_AT_ONCE]
    more = f"{shown[-1].happened_at}.{shown[-1].id}" if len(found) > _AT_ONCE else ""
    return at.page("trail.html", TrailPage(of, wanted, [_entry(each) for each in shown], after, more))


def _wanted(wanted: Filter) -> Wanted:
    """Raises ValueError: a day cannot be read."""
    since = _day_us(wanted.since) if wanted.since else 0
    until = _day_us(wanted.until, days=1) if wanted.until else _ENDLESS
    return Wanted(wanted.actor, wanted.act, since=since, until=until)


def _day_us(text: str, days: int = 0) -> int:
    """Return when a day begins, or one that many days behind it. Raises OverflowError, ValueError."""
    day = date.fromisoformat(text) + timedelta(days=days)
    return seconds_us(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()))


def _before(after: str) -> tuple[int, int]:
    """Return from where on a part is; what is none of our addresses begins at the beginning."""
    if not _CURSOR.fullmatch(after):
        return NEWEST
    at_us, _, id_ = after.partition(".")
    return int(at_us), int(id_)


def _entry(event: Event) -> Entry:
    details = as_json(event)["details"]
    told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in details.items()}
    return Entry(event, [(name, value) for name, value in told.items() if value not in ("", "None")])
