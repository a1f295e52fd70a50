"""One page of a tag list, asked for again and again over one connection, in repositories of few and of many tags."""

import json
import os
import random
import time
from statistics import median
from typing import Final
from urllib.parse import quote

from bench.bars import TAG_LIST
from bench.book import MILLISECONDS, Book, Key
from bench.client import Client, connected
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.images import CONFIG, manifest_of
from bench.progress import say
from bench.scale import SMALL_BLOB_BYTES
from bench.servers import OURS

_PAGE: Final = 100
# Each tag is a header of the answer, and Python reads at most 100 of them.
_TAGS_PER_PUSH: Final = 80


def pages(fleet: Fleet, book: Book) -> None:
    """Ask for pages at random places, in repositories of each size in turn."""
    servers = fleet.running(*OURS)
    for server in servers:
        with connected(server.port) as client:
            for count in fleet.scale.tag_counts:
                say(f"{TAG_LIST}: {server.name}: making {count:,} tags")
                _make_tags(client, count)
    os.sync()
    for server in fleet.rounds(servers):
        with connected(server.port) as client:
            for count in fleet.scale.tag_counts:
                milliseconds = median(_page_s(client, count) for _ in range(fleet.scale.listings)) * 1e3
                book.add(Key(TAG_LIST, f"{server.name}, {count:,} tags", MILLISECONDS), milliseconds)
                say(f"{TAG_LIST}: {server.name}: {count:,} tags: {milliseconds:.2f} ms")


def _repository(count: int) -> str:
    return f"bench/tags-{count}"


def _tag(number: int) -> str:
    return f"tag-{number:06}"


def _make_tags(client: Client, count: int) -> None:
    """Give one manifest that many tags, many with each push."""
    repository, layer = _repository(count), random.Random(count).randbytes(SMALL_BLOB_BYTES)
    client.push_blob(repository, CONFIG)
    client.push_blob(repository, layer)
    manifest = manifest_of(CONFIG, [layer], "many tags")
    for start in range(0, count, _TAGS_PER_PUSH):
        tags = "&".join(f"tag={_tag(number)}" for number in range(start, min(start + _TAGS_PER_PUSH, count)))
        client.push_manifest(repository, manifest.digest, manifest, f"?{tags}")


def _page_s(client: Client, count: int) -> float:
    """Ask for a full page that begins at random; return the seconds that it took.

    Raises:
        BenchmarkFailed: it is not the page that was asked for.
    """
    first = random.randint(0, count - _PAGE)
    path = f"/v2/{_repository(count)}/tags/list?n={_PAGE}" + (f"&last={quote(_tag(first - 1))}" if first else "")
    began = time.perf_counter()
    answer = client.ask("GET", path)
    seconds = time.perf_counter() - began
    if json.loads(answer.expect(200).body)["tags"] != [_tag(number) for number in range(first, first + _PAGE)]:
        raise BenchmarkFailed(f"{path} did not answer the {_PAGE} tags from {_tag(first)} on")
    return seconds
