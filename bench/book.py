"""What was measured: figures by benchmark, subject and unit, one for each round."""

from collections import defaultdict
from typing import Final, NamedTuple

CPU: Final = "processor ms per 1,000 requests"
RATE: Final = "requests a second"
SPEED: Final = "MB a second"
SECONDS: Final = "seconds"
CPU_SECONDS: Final = "processor seconds"
MILLISECONDS: Final = "ms"
MEGABYTES: Final = "MB"
STALE: Final = "stale answers"
MOVES: Final = "moves a second"
PREPARED_RATE: Final = "requests a second once all is prepared"
AHEAD: Final = "scenarios of 16 in which it is ahead of docker-registry"
LONGEST: Final = "ms, the longest"
OBJECTS: Final = "objects and multipart uploads"
FILES: Final = "files"
PERCENT: Final = "% of a processor"
TIMES: Final = "times"


class Key(NamedTuple):
    """One figure: `subject` is a server or whatever else was measured, `unit` says what of it."""

    benchmark: str
    subject: str
    unit: str


class Book:
    """Every figure of a run, and why a benchmark failed."""

    def __init__(self) -> None:
        self.figures: defaultdict[Key, list[float]] = defaultdict(list)
        self.failures: dict[str, str] = {}

    def add(self, key: Key, value: float) -> None:
        """Add one round's figure."""
        self.figures[key].append(value)

    def ratios(self, upper: Key, lower: Key) -> list[float]:
        """Divide two figures round by round; nothing where one of them was not measured in every round."""
        above, below = self.figures.get(upper, []), self.figures.get(lower, [])
        if len(above) != len(below):
            return []
        return [one / other for one, other in zip(above, below, strict=True) if other]
