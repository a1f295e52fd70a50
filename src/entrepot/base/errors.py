"""The root of every error that Entrepot raises on purpose.

An error says what is the case in the product's own words and carries the facts that a person needs to act on it. It knows
nothing of HTTP: each web surface owns one table from error class to wire form (for OCI `entrepot.web.v2.errors`).
"""

from collections.abc import Mapping
from typing import ClassVar


class EntrepotError(Exception):
    """Base class; `summary` says what is the case and what to do, `facts` are safe to show to the caller."""

    summary: ClassVar[str] = "the request could not be completed"

    def __init__(self, **facts: object) -> None:
        self.facts: Mapping[str, object] = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The summary with the facts put into its `{placeholders}`."""
        return self.summary.format_map({name: shown(value) for name, value in self.facts.items()})


_LONGEST_SHOWN = 300  # characters of a fact in a message: hostile input must not be echoed by the megabyte


def shown(value: object) -> str:
    """Return a fact as it may be shown: not endlessly long, and without halves of surrogate pairs, which cannot be written."""
    text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


class Unavailable(EntrepotError):
    """Something that we stand on (disk, database) does not answer; trying again later is right."""

    summary = "{what} is not available at the moment: try again in {retry_after_s} seconds"

    def __init__(self, what: str, *, retry_after_s: int = 5) -> None:
        super().__init__(what=what, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s
