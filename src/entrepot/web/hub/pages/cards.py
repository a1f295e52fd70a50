"""An image as it stands in lists."""

from typing import Final, Self

import msgspec

from entrepot.domain.registry.model import Listed

_OFFICIAL: Final = "library/"


def shown_name(stored: str) -> str:
    """Return a repository's name as pages write it: official images have one segment."""
    return stored.removeprefix(_OFFICIAL)


class Card(msgspec.Struct, frozen=True):
    """An image in a list; times are microseconds UTC."""

    name: str
    is_official: bool
    is_private: bool
    description: str
    pulls: int
    pushed_at: int

    @classmethod
    def of(cls, found: Listed) -> Self:
        """Return what is shown of a repository."""
        return cls(
            name=shown_name(found.name),
            is_official=found.name.startswith(_OFFICIAL),
            is_private=not found.public,
            description=found.description,
            pulls=found.pulls,
            pushed_at=found.pushed_at,
        )
