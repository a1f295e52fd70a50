"""What is looked for and what is found."""

import msgspec

from entrepot.domain.catalogue.model import Kind, Shelved
from entrepot.domain.registry.model import Listed
from entrepot.platform.search.model import Order

__all__ = ["Filters", "Hit", "Hits", "Order"]


class Filters(msgspec.Struct, frozen=True):
    """What is found besides by words: of each kind of condition one value is enough. `updated_from` is microseconds UTC."""

    kinds: tuple[Kind, ...] = ()
    systems: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    updated_from: int = 0


class Hit(msgspec.Struct, frozen=True):
    """A repository that was found."""

    listed: Listed
    shelved: Shelved


class Hits(msgspec.Struct, frozen=True):
    """A page of what was found, and how much there is in all; `tag` and `digest` are what was asked for behind a name.

    `instead` are the words that were found in the place of those with slips in them; with `any_word` nothing had all of them.
    Without an `is_complete` index names alone were looked at.
    """

    hits: list[Hit]
    count: int
    words: tuple[str, ...] = ()
    tag: str = ""
    digest: str = ""
    instead: tuple[str, ...] = ()
    any_word: bool = False
    is_complete: bool = True
