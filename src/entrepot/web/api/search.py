"""Search: the same index and the same order as on the pages, for programs."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from entrepot.base.clock import now_us, seconds_us
from entrepot.domain.catalogue.model import Kind
from entrepot.domain.search.model import Filters, Hit, Order
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import Shown, instant
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("search", PREFIX)
_DEEPEST: Final = 10_000
_DAY_S: Final = 86_400
_Some = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=20)]


class Search(BaseModel):
    """What is looked for: of each filter one value is enough, and filters hold together."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, Field(max_length=1000, description="Words, the beginning of a name, name:tag, or a digest.")] = ""
    kind: Annotated[list[Kind], Field(max_length=20)] = []
    os: _Some = []
    arch: _Some = []
    category: _Some = []
    updated_within_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    sort: Order = Order.BEST
    page: Annotated[int, Field(ge=1, le=_DEEPEST)] = 1
    limit: Annotated[int, Field(ge=1, le=100, description="How many on a page.")] = 25


class FoundRepository(Shown):
    """A repository that was found."""

    name: str
    description: str
    kind: Kind
    is_private: bool
    stars: int
    pulls: int
    pushed_at: datetime
    categories: list[str]

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """Return what is shown of it."""
        return cls(
            name=hit.listed.name,
            description=hit.listed.description,
            kind=hit.shelved.kind,
            is_private=not hit.listed.public,
            stars=hit.shelved.stars,
            pulls=hit.listed.pulls,
            pushed_at=instant(hit.listed.pushed_at),
            categories=list(hit.shelved.categories),
        )


class FoundPage(Shown):
    """A page of what was found, of `count` in all; `next` is the number of the next one, null at the end.

    `instead` are words that were looked for in the place of those with slips in them; with `any_word` nothing had all of them.
    """

    items: list[FoundRepository]
    count: int
    next: int | None
    instead: list[str]
    any_word: bool


@_noun.get("/search")
async def search(asked: Asking, wanted: Annotated[Search, Query()]) -> FoundPage:
    """Find repositories that whoever asks may see, at most ten thousand of them."""
    first = (wanted.page - 1) * wanted.limit
    days = wanted.updated_within_days
    filters = Filters(
        kinds=tuple(wanted.kind),
        systems=tuple(wanted.os),
        architectures=tuple(wanted.arch),
        categories=tuple(wanted.category),
        updated_from=now_us() - seconds_us(days * _DAY_S) if days else 0,
    )
    found = await asked.verbs.searching().find(asked.actor, wanted.q, filters, wanted.sort, first, wanted.limit)
    is_more = first + wanted.limit < min(found.count, _DEEPEST)
    return FoundPage(
        items=[FoundRepository.of(each) for each in found.hits],
        count=found.count,
        next=wanted.page + 1 if is_more else None,
        instead=list(found.instead),
        any_word=found.any_word,
    )
