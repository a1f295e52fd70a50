"""Search and exploring: what is found, the filters in the address, and what is suggested while somebody types."""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from entrepot.base.clock import now_us, seconds_us
from entrepot.domain.access.errors import Unproven
from entrepot.domain.catalogue.model import Category, Kind
from entrepot.domain.search.model import Filters, Hits, Order
from entrepot.domain.search.service.searching import DEEPEST
from entrepot.domain.search.words import LONGEST_QUERY, words_of
from entrepot.web.hub.pages.cards import Card
from entrepot.web.hub.rendering import Frame, fragment, page
from entrepot.web.hub.shop import Shop
from entrepot.web.shared.call import Answer, Call

SEARCH: Final = "/search"
SUGGEST: Final = "/search/suggest"
_AT_ONCE: Final = 25
_KINDS: Final = tuple(each.value for each in Kind)
_ARCHITECTURES: Final = ("amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64")
_SYSTEMS: Final = ("linux", "windows")
_AGES: Final = {"week": 7, "month": 30, "half": 182, "year": 365}
_DAY_S: Final = 86_400
_MOST_VALUES: Final = 20
_MARKED: Final = Markup("<mark>{}</mark>")
_PLAIN: Final = Markup("{}")
_NAMES: Final = ("kind", "arch", "os", "category", "age")


class Choice(msgspec.Struct, frozen=True):
    """A value of a filter, and whether it is on; `title` is what a category is called, others have words in the template."""

    value: str
    is_on: bool
    title: str = ""


class Group(msgspec.Struct, frozen=True):
    """A filter: several of its values may be on, or `one`."""

    name: str
    choices: list[Choice]
    one: bool = False


class Chip(msgspec.Struct, frozen=True):
    """A filter that is on, and the address without it."""

    group: str
    choice: Choice
    without: str


class SearchPage(msgspec.Struct, frozen=True):
    """What was found for what somebody `typed`: cards with the number of the first one, and the addresses of other pages.

    `instead` is what was looked for in the place of words with slips; `tag` leads to the tag that was named.
    """

    typed: str
    cards: list[tuple[Card, Markup]]
    count: int
    first: int
    groups: list[Group]
    chips: list[Chip]
    order: Order
    before: str
    behind: str
    instead: str
    any_word: bool
    is_complete: bool
    tag: str
    digest: str

    @property
    def last(self) -> int:
        """The number of the last image on this page."""
        return self.first + len(self.cards) - 1


class SuggestPage(msgspec.Struct, frozen=True):
    """What is suggested for what somebody types."""

    typed: str
    cards: list[tuple[Card, Markup]]


class ClosedPage(msgspec.Struct, frozen=True):
    """Nothing is shown to whoever has not signed in."""

    typed: str


async def search(call: Call, frame: Frame, shop: Shop) -> Answer:
    """GET /search. Raises QueryInvalid, Unavailable."""
    typed = (call.one("q") or "").strip()[:LONGEST_QUERY]
    given = {name: call.all(name)[:_MOST_VALUES] for name in _NAMES}
    order = next((each for each in Order if each.value == call.one("sort")), Order.BEST)
    number = _page(call.one("page"))
    categories = await shop.kinds.categories()
    groups = _groups(given, categories, frame.words.language)
    try:
        found = await shop.searching.find(call.actor, typed, _filters(groups), order, (number - 1) * _AT_ONCE, _AT_ONCE)
    except Unproven:
        return page(call, frame, "search_closed.html", ClosedPage(typed))
    kept = [("q", typed)] if typed else []
    on = [(group.name, choice.value) for group in groups for choice in group.choices if choice.is_on]
    sort = [("sort", order.value)] if order is not Order.BEST else []

    def address(*pairs: tuple[str, str]) -> str:
        return f"{SEARCH}?{urlencode([*kept, *pairs])}"

    chips = [
        Chip(group.name, choice, address(*(pair for pair in on if pair != (group.name, choice.value)), *sort))
        for group in groups
        for choice in group.choices
        if choice.is_on
    ]
    is_more = number * _AT_ONCE < min(found.count, DEEPEST)
    about = SearchPage(
        typed=typed,
        cards=_cards(found),
        count=found.count,
        first=(number - 1) * _AT_ONCE + 1,
        groups=groups,
        chips=chips,
        order=order,
        before=address(*on, *sort, ("page", str(number - 1))) if number > 1 else "",
        behind=address(*on, *sort, ("page", str(number + 1))) if is_more else "",
        instead=" ".join(found.instead),
        any_word=found.any_word,
        is_complete=found.is_complete,
        tag=found.tag,
        digest=found.digest,
    )
    return page(call, frame, "search.html", about)


async def suggest(call: Call, frame: Frame, shop: Shop) -> Answer:
    """GET /search/suggest: a part of a page, asked for by the script. Raises QueryInvalid, Unavailable."""
    typed = (call.one("q") or "").strip()[:LONGEST_QUERY]
    hits = await shop.searching.suggest(typed) if typed else []
    words = words_of(typed)
    cards = [(card, marked(card.name, words)) for card in (Card.of(hit.listed, hit.shelved) for hit in hits)]
    return fragment(frame, "suggest.html", SuggestPage(typed, cards))


def marked(name: str, words: Iterable[str]) -> Markup:
    """Return a name with the words that were looked for marked in it."""
    marks = [False] * len(name)
    for word in words:
        at = name.find(word) if word else -1
        while at >= 0:
            marks[at : at + len(word)] = [True] * len(word)
            at = name.find(word, at + len(word))
    shown, at = Markup(), 0
    while at < len(name):
        end = at
        while end < len(name) and marks[end] == marks[at]:
            end += 1
        shown += (_MARKED if marks[at] else _PLAIN).format(name[at:end])
        at = end
    return shown


def _cards(found: Hits) -> list[tuple[Card, Markup]]:
    words = (*found.words, *found.instead)
    cards = [Card.of(hit.listed, hit.shelved) for hit in found.hits]
    return [(card, marked(card.name, words)) for card in cards]


def _groups(given: dict[str, list[str]], categories: Sequence[Category], language: str) -> list[Group]:
    def choices(name: str, values: Iterable[str]) -> list[Choice]:
        return [Choice(each, each in given[name]) for each in values]

    shelves = [Choice(each.name, each.name in given["category"], each.title(language)) for each in categories]
    ages = [Choice(each, given["age"][:1] == [each]) for each in _AGES]
    return [
        Group("kind", choices("kind", _KINDS)),
        Group("arch", choices("arch", _ARCHITECTURES)),
        Group("os", choices("os", _SYSTEMS)),
        Group("age", ages, one=True),
        Group("category", shelves),
    ]


def _filters(groups: Sequence[Group]) -> Filters:
    on = {group.name: tuple(choice.value for choice in group.choices if choice.is_on) for group in groups}
    days = _AGES[on["age"][0]] if on["age"] else 0
    return Filters(
        kinds=tuple(Kind(each) for each in on["kind"]),
        systems=on["os"],
        architectures=on["arch"],
        categories=on["category"],
        # To the hour, so that two pages of one search have the same.
        updated_from=(now_us() // seconds_us(3600)) * seconds_us(3600) - seconds_us(days * _DAY_S) if days else 0,
    )


def _page(text: str | None) -> int:
    if not text or not text.isascii() or not text.isdecimal() or len(text) > len(str(DEEPEST)):
        return 1
    return max(1, min(int(text), DEEPEST // _AT_ONCE))
