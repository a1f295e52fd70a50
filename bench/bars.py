"""Every bar that a figure has to meet, as data; the median over the rounds is what counts, unless a bar says otherwise."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.book import (
    AHEAD,
    CPU,
    FILES,
    LONGEST,
    MEGABYTES,
    MILLISECONDS,
    OBJECTS,
    PERCENT,
    RATE,
    SECONDS,
    SPEED,
    STALE,
    TIMES,
    Book,
    Key,
)
from bench.garbage import CHORES
from bench.servers import ENTREPOT, NGINX, OURS, REGISTRY, ZOT
from bench.table import Row, row_of
from bench.zb import SCENARIOS

MANIFEST_GET: Final = "manifest GET by tag"
MOVING_TAGS: Final = "manifest GET while tags move"
SMALL_BLOB_GET: Final = "blob GET 2 KB"
LARGE_BLOB_GET: Final = "blob GET 1 GiB"
RANGE_GET: Final = "blob GET 1 GiB, Range"
BLOB_PUSH: Final = "blob push 1 GiB"
IMAGE_PUSH: Final = "image push, 40 layers"
START: Final = "start to first pull"
MEMORY_IDLE: Final = "memory, idle"
MEMORY_PUSHING: Final = "memory, 8 clients push 1 GiB"
TAG_LIST: Final = "tag list, page of 100"
ZB: Final = "zb, all scenarios"
BESIDE_JOBS: Final = "manifest GET beside a job"
BESIDE_CHECK: Final = "manifest GET beside a check of everything"
ENQUEUE: Final = "jobs enqueued"
JOB_START: Final = "commit of a job to its end"
IDLE: Final = "processor, idle"
FSCK: Final = "entrepot fsck"
PLAIN_COPY: Final = "read, hash, write, fsync"
PLAIN_READ: Final = "beside a plain read at that speed"
NODES: Final = "manifest GET on several nodes"
BESIDE_NODES: Final = "manifest GET while another node pushes"
REDIRECT: Final = "blob GET 100 KB, redirected to the bucket"
UNFINISHED: Final = "unfinished uploads"
ACCESS: Final = "manifest GET with accounts"
ACCESS_MANY: Final = "manifest GET with 100,000 users and 1,000,000 repositories"
TOKENS: Final = "tokens issued"
SEARCH: Final = "search among many images"
SEARCH_KINDS: Final = (
    "a name",
    "several words",
    "a slip",
    "a beginning",
    "filters",
    "by pulls",
    "by stars",
    "by updated",
    "everything",
)

_AT_MOST: Final = ("≤", operator.le)
_AT_LEAST: Final = ("≥", operator.ge)
_BELOW: Final = ("<", operator.lt)
_ABOVE: Final = (">", operator.gt)
_MOST_TAGS: Final = "{ours}, 100,000 tags"
_FEWEST_TAGS: Final = "{ours}, 100 tags"
_NOBODY: Final = "without a login"
_WAYS: Final = (_NOBODY, "with a bearer token", "of a private repository, with a bearer token", "counted for an address")


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit on a figure of ours, or on its ratio to the figure of whoever it stands beside; `{ours}` is Entrepot."""

    benchmark: str
    unit: str
    holds: tuple[str, Callable[[float, float], bool]]
    limit: float
    beside: str | None = None
    beside_benchmark: str | None = None
    subject: str = "{ours}"
    judged: Callable[[list[float]], float] = median
    is_aim: bool = False

    def values(self, book: Book, ours: str) -> list[float]:
        """Return what is judged, one value for each round."""
        own = Key(self.benchmark, self.subject.format(ours=ours), self.unit)
        if self.beside is None:
            return book.figures.get(own, [])
        return book.ratios(own, Key(self.beside_benchmark or self.benchmark, self.beside.format(ours=ours), self.unit))

    def title(self, ours: str) -> str:
        """Name what is judged."""
        own = self.subject.format(ours=ours)
        if self.beside is None:
            return own
        other = self.beside_benchmark if self.beside == "{ours}" else self.beside.format(ours=ours)
        return f"{own} ÷ {other}"

    def verdict(self, values: list[float], ours: str) -> str:
        """Say whether the bar is met; on PostgreSQL figures are reported only."""
        if not values:
            return "NOT MEASURED"
        if ours != ENTREPOT:
            return "reported"
        if self.holds[1](self.judged(values), self.limit):
            return "PASS"
        return "aim missed" if self.is_aim else "MISSED"


_CHORES: Final = (*(chore.name for chore in CHORES), FSCK)
_BESIDE_JOBS: Final = (
    *(Bar(BESIDE_JOBS, RATE, _AT_LEAST, 0.7, f"{{ours}}, before {name}", subject=f"{{ours}}, {name}") for name in _CHORES),
    *(Bar(BESIDE_JOBS, LONGEST, _AT_MOST, 100, subject=f"{{ours}}, {name}") for name in _CHORES),
)
BARS: Final = (
    Bar(MANIFEST_GET, CPU, _AT_MOST, 0.1, REGISTRY),
    Bar(MANIFEST_GET, CPU, _AT_MOST, 5, NGINX),
    Bar(MANIFEST_GET, RATE, _AT_LEAST, 8, REGISTRY),
    Bar(MANIFEST_GET, CPU, _BELOW, 1, ZOT, is_aim=True),
    Bar(MOVING_TAGS, STALE, _AT_MOST, 0, judged=max),
    Bar(SMALL_BLOB_GET, RATE, _AT_LEAST, 8, REGISTRY),
    Bar(LARGE_BLOB_GET, SPEED, _AT_LEAST, 0.9, NGINX),
    Bar(LARGE_BLOB_GET, SPEED, _ABOVE, 1, REGISTRY),
    Bar(RANGE_GET, SPEED, _AT_LEAST, 0.6, "{ours}", LARGE_BLOB_GET),
    Bar(BLOB_PUSH, SPEED, _AT_LEAST, 2.5, REGISTRY),
    Bar(BLOB_PUSH, SECONDS, _AT_MOST, 1.6, PLAIN_COPY),
    Bar(IMAGE_PUSH, SECONDS, _BELOW, 1, REGISTRY),
    *(Bar(SEARCH, MILLISECONDS, _BELOW, 50, subject=f"{kind}, p99") for kind in SEARCH_KINDS),
    Bar(SEARCH, RATE, _ABOVE, 300, subject="/v1/search"),
    Bar(START, SECONDS, _BELOW, 1.5),
    Bar(MEMORY_IDLE, MEGABYTES, _AT_MOST, 120),
    Bar(MEMORY_PUSHING, MEGABYTES, _AT_MOST, 250, judged=max),
    Bar(TAG_LIST, MILLISECONDS, _BELOW, 5, subject=_MOST_TAGS),
    Bar(TAG_LIST, MILLISECONDS, _AT_MOST, 1.5, _FEWEST_TAGS, subject=_MOST_TAGS),
    *(Bar(scenario.name, RATE, _AT_LEAST, 0.9, REGISTRY) for scenario in SCENARIOS),
    Bar(ZB, AHEAD, _AT_LEAST, 14),
    *_BESIDE_JOBS,
    Bar(BESIDE_CHECK, RATE, _AT_LEAST, 0.9, "{ours}, idle"),
    Bar(BESIDE_CHECK, RATE, _AT_LEAST, 0.9, PLAIN_READ, is_aim=True),
    Bar(ENQUEUE, RATE, _AT_LEAST, 500, subject="{ours}, 64 at once"),
    Bar(JOB_START, MILLISECONDS, _AT_MOST, 100),
    Bar(JOB_START, LONGEST, _AT_MOST, 100),
    Bar(IDLE, PERCENT, _BELOW, 1),
    Bar(NODES, CPU, _AT_MOST, 1.15, "1 node", subject="2 nodes"),
    Bar(NODES, CPU, _AT_MOST, 1.15, "2 nodes", subject="4 nodes"),
    Bar(BESIDE_NODES, CPU, _AT_MOST, 1.15, "nobody pushes", subject="another node pushes"),
    Bar(REDIRECT, CPU, _AT_MOST, 2000, subject="1 node"),
    Bar(ACCESS, CPU, _AT_MOST, 1.25, _NOBODY, subject="with a bearer token"),
    Bar(ACCESS, CPU, _AT_MOST, 1.25, _NOBODY, subject="of a private repository, with a bearer token", is_aim=True),
    Bar(ACCESS, CPU, _AT_MOST, 1.1, "for an address, without limits", subject="counted for an address"),
    Bar(ACCESS, CPU, _AT_MOST, 1, "docker-registry, with a bearer token", subject="with a bearer token", is_aim=True),
    Bar(ACCESS, CPU, _AT_MOST, 1.05, "with a bearer token, nothing counted", subject="with a bearer token"),
    *(Bar(ACCESS_MANY, CPU, _AT_MOST, 1.2, way, ACCESS, subject=way) for way in _WAYS),
    Bar(TOKENS, RATE, _AT_LEAST, 2000),
    Bar(TOKENS, RATE, _AT_LEAST, 1 / 1.2, "{ours}", subject="entrepot, many accounts"),
    Bar(UNFINISHED, OBJECTS, _AT_MOST, 0, subject="the bucket"),
    Bar(UNFINISHED, FILES, _AT_MOST, 0, subject="the data folder"),
    Bar(UNFINISHED, CPU, _AT_MOST, 1.15, "without them", subject="beside them"),
)


def judge(book: Book, measured: set[str], absent: dict[str, str]) -> Iterator[Row]:
    """Give a row for each bar of the benchmarks that were asked for, first for SQLite and then for PostgreSQL."""
    for bar in BARS:
        if bar.benchmark not in measured:
            continue
        for ours in OURS if "{ours}" in bar.subject else (ENTREPOT,):
            values = bar.values(book, ours)
            if not values and (ours != ENTREPOT or bar.beside in absent):
                continue
            sign, limit = bar.holds[0], f"{bar.limit:g}"
            text = f"{sign} {limit}" + (" (aim)" if bar.is_aim else "") + (" (maximum)" if bar.judged is max else "")
            text = text if ours == ENTREPOT else ""
            what = bar.unit if bar.beside is None else f"{TIMES} the {bar.unit}"
            yield row_of(Key(bar.benchmark, bar.title(ours), what), values, text, bar.verdict(values, ours))
