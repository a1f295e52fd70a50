"""What is put into an index and what is asked of it."""

from enum import StrEnum

import msgspec


class Order(StrEnum):
    """In which order entries are found: the best first, or by a figure of theirs, the largest first."""

    BEST = "best"
    PULLS = "pulls"
    STARS = "stars"
    UPDATED = "updated"


class Entry(msgspec.Struct, frozen=True):
    """One thing that can be found; words are as `words.py` of the feature above makes them, times microseconds UTC.

    `seen_by` are marks of whoever may find it, `marks` what it can be filtered by. `weight` puts an entry that many use before
    one that says the same.
    """

    id: int
    seen_by: tuple[str, ...]
    exact: tuple[str, ...]  # whole names
    names: tuple[str, ...]  # words of its name
    owners: tuple[str, ...]  # words of the name of whoever has it
    about: str  # what it says of itself in a sentence
    text: str  # what it says at length
    marks: tuple[str, ...] = ()
    pulls: int = 0
    stars: int = 0
    updated_at: int = 0
    weight: float = 1.0


class Word(msgspec.Struct, frozen=True):
    """A word that is looked for; also words that differ from it by as many slips of the fingers, two at most."""

    text: str
    slips: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """What is looked for: entries that have all words (with `any_word` one of them) and all marks, and that one of `sight` sees.

    `whole` are whole names of which one stands first; `marks` are groups, of each of which one is enough. `sight` is None for
    whoever sees everything.
    """

    words: tuple[Word, ...] = ()
    whole: tuple[str, ...] = ()
    sight: tuple[str, ...] | None = ()
    marks: tuple[tuple[str, ...], ...] = ()
    updated_from: int = 0
    any_word: bool = False
    order: Order = Order.BEST
    first: int = 0
    most: int = 25


class Found(msgspec.Struct, frozen=True):
    """The ids of a page of entries, in order, and how many there are in all."""

    ids: list[int]
    count: int


class Place(msgspec.Struct, frozen=True):
    """How far the changes of a database were followed, and when that was last true (microseconds UTC)."""

    database: str
    xact: int
    id: int
    at: int
    made_at: int  # when the whole index was made
    change_at: int = 0  # when the last change was written: another database has another one there
