"""A database of very many images, written past the product in large pieces: what searches and pages are measured with.

`python -m bench.many_images DATA [--repositories N] [--tags N] [--database URL]`. The folder must be empty. Names and
descriptions are words of the catalogue with which relevance is tested, and some that few have; pulls and stars fall off as they
do on hubs.
"""

import argparse
import asyncio
import itertools
import random
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import asyncpg

from entrepot.base.settings import Settings
from support.parts import FILE, prepared

REPOSITORIES: Final = 10_000
TAGS_EACH: Final = 10
_CATALOGUE: Final = Path(__file__).parents[1] / "tests" / "domain" / "search" / "catalogue.txt"
_FIRST: Final = 1_000_000_000  # ids that nothing else has
_PIECE: Final = 20_000
_IMAGES_OF_ONE: Final = 20  # of an owner, about
_RARE_WORDS: Final = 20_000
_SYLLABLES: Final = re.findall("..", "bacedifogukaleminopurasetivoxuzabrecliflotraska")
_RARE: Final = 0.3  # of the words of names
_PRIVATE: Final = 20  # of which one is
_TAGS: Final = ("latest", "stable", "edge")
_PLATFORMS: Final = ("linux/amd64", "linux/amd64", "linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64")
_KIND: Final = "application/vnd.oci.image.manifest.v1+json"
_YEAR_US: Final = 365 * 86_400 * 1_000_000
_CATEGORIES: Final = ("databases", "web-servers", "security", "networking", "machine-learning")
Rows = Iterable[tuple[Any, ...]]


class Images:
    """Names and texts of very many images, the same each time."""

    def __init__(self, count: int) -> None:
        self.count = count

    @cached_property
    def words(self) -> list[str]:
        """All words that people would use, the most frequent first."""
        lines = [line for line in _CATALOGUE.read_text("utf-8").splitlines() if line[:1] not in ("#", "") and "|" in line]
        found = re.findall(r"[^\W\d_]{3,}", " ".join(line.lower() for line in lines))
        return sorted(set(found), key=lambda word: (-found.count(word), word))

    @cached_property
    def rare(self) -> list[str]:
        """Words that few images have."""
        draw = random.Random(7)
        return ["".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4))) for _ in range(_RARE_WORDS)]

    def name(self, number: int) -> str:
        """Return the stored name of an image; the first ones are official."""
        draw = random.Random(number)
        if number < len(self.words) // 4:
            return f"library/{self.words[number]}"
        owner = f"{self.rare[number // _IMAGES_OF_ONE % _RARE_WORDS]}{number // _IMAGES_OF_ONE}"
        parts = [draw.choice(self.rare if draw.random() < _RARE else self.words) for _ in range(draw.randint(1, 3))]
        return f"{owner}/{'-'.join(parts)}-{number}"

    def description(self, number: int) -> str:
        """Return what an image says of itself."""
        draw = random.Random(-number - 1)
        count = draw.randint(5, 12)
        weights = (draw.random() ** 3 for _ in range(count))
        return " ".join(self.words[int(weight * len(self.words))] for weight in weights).capitalize()[:100]


def fill(place: Settings, repositories: int, tags: int) -> float:
    """Write that many images and tags into a prepared place; return the seconds that it took."""
    images, began = Images(repositories), time.perf_counter()
    if place.database:
        asyncio.run(_copy(place.database, images, tags))
    else:
        with closing(sqlite3.connect(Path(place.data) / FILE)) as database, database:
            for table, columns, rows in _tables(images, tags):
                marks = ", ".join("?" for _ in columns)
                statement = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - our own names
                database.executemany(statement, rows)
            database.execute("ANALYZE")
    return time.perf_counter() - began


async def _copy(url: str, images: Images, tags: int) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for table, columns, rows in _tables(images, tags):
                some = iter(rows)
                while piece := list(itertools.islice(some, _PIECE)):
                    await connection.copy_records_to_table(table, records=piece, columns=columns)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _tables(images: Images, tags: int) -> Iterator[tuple[str, Sequence[str], Rows]]:
    numbers, now = range(images.count), time.time_ns() // 1000
    owners = dict.fromkeys(images.name(number).partition("/")[0] for number in numbers)
    homes = {owner: _FIRST + place for place, owner in enumerate(owners)}
    yield "namespace", ("id", "name", "kind", "created_at"), ((id_, name, "organisation", 1) for name, id_ in homes.items())
    about = ("id", "namespace", "name", "visibility", "created_at", "first_pushed_at", "uploaded_at", "description")
    yield "repository", about, (_repository(images, number, homes, now) for number in numbers)
    inside = ("id", "repository", "digest", "media_type", "artifact_type", "annotations", "size", "content")
    yield "manifest", (*inside, "pushed_by", "pushed_at"), (_manifest(number, now) for number in numbers)
    seen = ("manifest", "platform", "download_bytes", "runs_as", "labels", "looked_at")
    yield "image", seen, ((_FIRST + each, _PLATFORMS[each % 6], 50_000_000, "", "{}", now) for each in numbers)
    # The most used ones have most pulls, and there are few of them.
    yield "pull_total", ("repository", "pulls", "pulled_at"), ((_FIRST + each, _used(each, 10**9), 1) for each in numbers)
    yield "star_total", ("repository", "stars"), ((_FIRST + each, _used(each, 20_000)) for each in numbers if _used(each, 20_000))
    shelved = ((_FIRST + each, _CATEGORIES[each % 5]) for each in range(0, images.count, 10))
    yield "repository_category", ("repository", "category"), shelved
    yield "tag", ("repository", "name", "manifest", "pushed_at"), _tags(images.count, tags, now)


def _repository(images: Images, number: int, homes: dict[str, int], now: int) -> tuple[Any, ...]:
    name, at = images.name(number), now - (number * 7919 % _YEAR_US)
    visibility = "private" if number % _PRIVATE == _PRIVATE - 1 else "public"
    home = homes[name.partition("/")[0]]
    return _FIRST + number, home, name, visibility, at, at, at, images.description(number)


def _manifest(number: int, now: int) -> tuple[Any, ...]:
    content = b'{"schemaVersion":2,"number":%d}' % number
    return _FIRST + number, _FIRST + number, f"sha256:{number:064x}", _KIND, "", "{}", len(content), content, "bench", now


def _used(number: int, most: int) -> int:
    """Return how often the image of that rank is used."""
    return int(most / (1 + number) ** 1.1)


def _tags(repositories: int, tags: int, now: int) -> Rows:
    each, more = divmod(tags, repositories)
    for number in range(repositories):
        for place in range(each + (number < more)):
            name = _TAGS[place] if place < len(_TAGS) else f"{place // 10}.{place % 10}.{number % 10}"
            yield _FIRST + number, name, _FIRST + number, now - place


def main() -> None:
    """Make what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.many_images", description=__doc__)
    parser.add_argument("data", type=Path, help="an empty folder, to be the data folder")
    parser.add_argument("--repositories", type=int, default=REPOSITORIES, help=f"default {REPOSITORIES}; a large hub: 1000000")
    parser.add_argument("--tags", type=int, help=f"default {TAGS_EACH} for each repository; a large hub: 10000000")
    parser.add_argument("--database", default="", help="an empty PostgreSQL database; without it SQLite in the folder")
    options = parser.parse_args()
    tags = options.tags or TAGS_EACH * options.repositories
    seconds = fill(prepared(options.data, options.database), options.repositories, tags)
    print(f"{options.repositories:,} repositories and {tags:,} tags in {seconds:.0f} s")


if __name__ == "__main__":
    main()
