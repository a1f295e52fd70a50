"""Search among very many images: how long each kind of question takes at the server, and how many are answered over HTTP."""

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from bench import wrk
from bench.bars import SEARCH, SEARCH_KINDS
from bench.book import CPU, MILLISECONDS, RATE, SECONDS, Book, Key
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.many_images import Images, fill
from bench.processes import cpu_s
from bench.progress import say
from bench.scale import Scale
from bench.servers import ENTREPOT_FOUND, Server
from entrepot.app.search import index_folder, mark_of, searching
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.catalogue.model import Kind
from entrepot.domain.search.model import Filters, Order
from entrepot.domain.search.service.searching import Searching
from entrepot.domain.search.service.state import state
from support.parts import opened, parts, prepared

_MADE_WITHIN_S: Final = 3600.0
_PATHS: Final = 2000
_BEFORE: Final = 50  # questions that are not counted: the files come into memory
_LONG: Final = 5  # letters of a word in which a slip is taken for it
_YEAR_US: Final = 365 * 86_400 * 1_000_000
Took = tuple[float, float]  # milliseconds, and those of the processor
Question = tuple[str, dict[str, Any]]


def answers(fleet: Fleet, book: Book) -> None:
    """Fill a hub, let its index be made, and ask."""
    scale = fleet.scale
    images, server = Images(scale.found), fleet.made(ENTREPOT_FOUND)
    seconds = fill(prepared(server.data, server.place.database), scale.found, scale.found_tags)
    say(f"{SEARCH}: {scale.found:,} repositories and {scale.found_tags:,} tags written in {seconds:.0f} s")
    server.start()
    seconds = asyncio.run(_index_made_s(server.place, scale))
    book.add(Key(SEARCH, "the index made", SECONDS), seconds)
    say(f"{SEARCH}: the index was made in {seconds:.0f} s")
    for each in fleet.rounds([server]):
        _round(fleet, book, each, images)


def _round(fleet: Fleet, book: Book, server: Server, images: Images) -> None:
    draws = [random.Random(number) for number in range(fleet.scale.questions)]
    asked = {kind: [_QUESTIONS[kind](images, draw) for draw in draws] for kind in SEARCH_KINDS}
    for kind, took in asyncio.run(_asked(server.place, asked)).items():
        for of, place in (("", 0), (" of the processor's", 1)):
            figures = sorted(each[place] for each in took)
            half, nearly = figures[len(took) // 2], figures[len(took) * 99 // 100]
            book.add(Key(SEARCH, f"{kind}, median{of}", MILLISECONDS), half)
            book.add(Key(SEARCH, f"{kind}, p99{of}", MILLISECONDS), nearly)
            say(f"{SEARCH}: {kind}: {half:.1f} ms{of}, p99 {nearly:.1f} ms")
    plain = [text for kind in SEARCH_KINDS for text, more in asked[kind][: _PATHS // len(SEARCH_KINDS)] if not more]
    paths = wrk.write_paths(fleet.folder / "questions", [f"/v1/search?q={quote_plus(each)}&n=25" for each in plain])
    own = cpu_s(server.pid)
    load = wrk.run(server.port, paths, fleet.scale.load_s)
    book.add(Key(SEARCH, "/v1/search", CPU), (cpu_s(server.pid) - own) / load.requests * 1e6)
    book.add(Key(SEARCH, "/v1/search", RATE), load.per_s)
    say(f"{SEARCH}: /v1/search: {load.per_s:,.0f}/s, longest {load.longest_ms:.0f} ms")


async def _index_made_s(place: Settings, scale: Scale) -> float:
    """Wait until all that is public or private is in the index; return how long that took."""
    began = time.monotonic()
    async with opened(place) as db:
        while time.monotonic() - began < _MADE_WITHIN_S:
            found = await state(db, index_folder(place), mark_of(place))
            if (found.entries or 0) >= scale.found and found.leads_on:
                return time.monotonic() - began
            await asyncio.sleep(0.2)
    raise BenchmarkFailed(f"the index was not made within {_MADE_WITHIN_S} s")


async def _asked(place: Settings, asked: dict[str, list[Question]]) -> dict[str, list[Took]]:
    """Ask one after the other, as nobody, in a process that does what a web process does; return how long each took."""
    async with parts(msgspec.structs.replace(place, access="accounts")) as whole:
        finds = searching(place, whole)
        return {kind: [await _took(finds, each) for each in questions][_BEFORE:] for kind, questions in asked.items()}


async def _took(finds: Searching, question: Question) -> Took:
    text, more = question
    began, own = time.perf_counter(), time.process_time()
    found = await finds.find(ANYONE, text, **more)
    took = (time.perf_counter() - began) * 1000, (time.process_time() - own) * 1000
    if not found.is_complete:
        raise BenchmarkFailed("there is no index")
    return took


def _name(images: Images, draw: random.Random) -> Question:
    """Return a whole name, of an official image as often as not."""
    most = images.count if draw.randrange(2) else len(images.words) // 4
    return images.name(draw.randrange(most)).removeprefix("library/"), {}


def _words(images: Images, draw: random.Random) -> Question:
    """Return two or three words that people would use, frequent ones more often."""
    return " ".join(images.words[int(draw.random() ** 2 * len(images.words))] for _ in range(draw.choice((2, 2, 3)))), {}


def _slip(images: Images, draw: random.Random) -> Question:
    """Return a word with two letters swapped, or one left out."""
    word = draw.choice([each for each in images.words if len(each) >= _LONG])
    place = draw.randrange(1, len(word) - 2)
    return word[:place] + (word[place + 1] + word[place] if draw.randrange(2) else "") + word[place + 2 :], {}


def _beginning(images: Images, draw: random.Random) -> Question:
    return draw.choice(images.words)[:3], {}


def _filtered(images: Images, draw: random.Random) -> Question:
    filters = Filters(
        kinds=draw.choice(((), (Kind.COMMUNITY,), (Kind.OFFICIAL, Kind.VERIFIED))),
        systems=("linux",),
        architectures=draw.choice((("amd64",), ("arm64", "arm"))),
        categories=draw.choice(((), ("security",))),
        updated_from=time.time_ns() // 1000 - _YEAR_US // 2,
    )
    return draw.choice(images.words), {"filters": filters}


def _sorted(order: Order, images: Images, draw: random.Random) -> Question:
    return draw.choice([*images.words[:500], ""]), {"order": order}


_QUESTIONS: Final[dict[str, Callable[[Images, random.Random], Question]]] = {
    "a name": _name,
    "several words": _words,
    "a slip": _slip,
    "a beginning": _beginning,
    "filters": _filtered,
    **{f"by {order}": partial(_sorted, order) for order in (Order.PULLS, Order.STARS, Order.UPDATED)},
    "everything": lambda _images, _draw: ("", {}),
}
