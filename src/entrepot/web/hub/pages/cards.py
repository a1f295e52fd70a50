"""An image as it stands in lists."""

from typing import Final, Self

import msgspec

from entrepot.domain.catalogue.model import Kind, Shelved
from entrepot.domain.registry.model import Listed
from entrepot.spec.oci.names import LIBRARY

_OFFICIAL: Final = f"{LIBRARY}/"
_UNKNOWN: Final = Shelved()


def shown_name(stored: str) -> str:
    """Return a repository's name as pages write it: official images have one segment."""
    return stored.removeprefix(_OFFICIAL)


class Card(msgspec.Struct, frozen=True):
    """An image in a list; times are microseconds UTC."""

    name: str
    kind: Kind
    is_private: bool
    description: str
    pulls: int
    stars: int
    pushed_at: int
    owner: str = ""
    categories: tuple[str, ...] = ()
    id: int = 0

    @property
    def is_official(self) -> bool:
        """Tell whether it is one of the hub's own."""
        return self.kind is Kind.OFFICIAL

    @classmethod
    def of(cls, found: Listed, shelved: Shelved = _UNKNOWN) -> Self:
        """Return what is shown of a repository."""
        owner, slash, _ = found.name.partition("/")
        is_official = bool(slash) and owner == LIBRARY
        return cls(
            name=shown_name(found.name),
            kind=Kind.OFFICIAL if is_official else shelved.kind,
            is_private=not found.public,
            description=found.description,
            pulls=found.pulls,
            stars=shelved.stars,
            pushed_at=found.pushed_at,
            owner=owner,
            categories=shelved.categories,
            id=found.id,
        )
