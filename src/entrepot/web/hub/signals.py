"""Quality signals of an image: facts that this hub can check, with what each was computed from. They do not add up to a mark."""

from collections.abc import Sequence
from typing import Final

import msgspec

from entrepot.base.clock import now_us, seconds_us

_DAY_US: Final = seconds_us(86_400)
FEW_PULLS: Final = 100  # in ninety days
FRESH_DAYS: Final = 182
WORDS: Final = 150  # from there on an image is called documented


class Facts(msgspec.Struct, frozen=True):
    """What signals are computed from; `is_root` is None where no configuration could be read. Times are microseconds UTC."""

    pulls: int  # of the last ninety days
    stars: int
    pushed_at: int
    words: int  # of the README
    source: str
    has_versions: bool
    only_latest: bool
    is_root: bool | None


class Signal(msgspec.Struct, frozen=True):
    """One signal: `name` says which, the figure what it is computed from."""

    name: str
    is_good: bool
    figure: int = 0


def signals(facts: Facts) -> list[Signal]:
    """Return all signals, those that warn first."""
    days = max(0, (now_us() - facts.pushed_at) // _DAY_US)
    found = [
        Signal("pulls", facts.pulls >= FEW_PULLS, facts.pulls),
        Signal("fresh", days <= FRESH_DAYS, days // 30),
        Signal("documented", facts.words >= WORDS, facts.words),
        Signal("source", bool(facts.source)),
        Signal("versions", facts.has_versions and not facts.only_latest),
    ]
    if facts.is_root is not None:
        found.append(Signal("user", not facts.is_root))
    if facts.stars:
        found.append(Signal("stars", is_good=True, figure=facts.stars))
    return sorted(found, key=lambda each: each.is_good)


def warnings(found: Sequence[Signal]) -> list[Signal]:
    """Return those that are a reason to look twice: that an image runs as root most share, and is no such reason alone."""
    return [each for each in found if not each.is_good and each.name != "user"]
