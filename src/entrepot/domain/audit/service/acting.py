"""Services that act for somebody: who that is stands in one place of each surface, and not in each of its calls."""

import copy
from typing import Self

from entrepot.domain.audit.model import Author


class Acting:
    """A service that records what it changes as done by one author."""

    def __init__(self, by: Author) -> None:
        self._by = by

    def acting(self, by: Author) -> Self:
        """Return the same service for somebody else, which shares all that it remembers."""
        theirs = copy.copy(self)
        theirs._by = by  # noqa: SLF001 - of our own copy
        return theirs
