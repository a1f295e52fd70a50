"""Every benchmark by the name that `--only` takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench import bars, zb
from bench.book import Book
from bench.fleet import Fleet
from bench.measures import (
    access,
    beside_jobs,
    image_push,
    job_engine,
    large_blobs,
    nodes,
    pulls,
    searching,
    start_and_memory,
    tag_lists,
)
from bench.measures import zb as zb_measure


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What runs, and which parts of the table it fills."""

    run: Callable[[Fleet, Book], None]
    fills: tuple[str, ...]


CATALOGUE: Final = {
    "manifest-get": Benchmark(pulls.manifests, (bars.MANIFEST_GET,)),
    "moving-tags": Benchmark(pulls.moving_tags, (bars.MOVING_TAGS,)),
    "blob-get-small": Benchmark(pulls.small_blobs, (bars.SMALL_BLOB_GET,)),
    "blob-get-large": Benchmark(large_blobs.pulls, (bars.LARGE_BLOB_GET, bars.RANGE_GET)),
    "blob-push": Benchmark(large_blobs.pushes, (bars.BLOB_PUSH,)),
    "image-push": Benchmark(image_push.pushes, (bars.IMAGE_PUSH,)),
    "start": Benchmark(start_and_memory.starts, (bars.START,)),
    "memory-idle": Benchmark(start_and_memory.idle, (bars.MEMORY_IDLE,)),
    "memory-push": Benchmark(start_and_memory.pushing, (bars.MEMORY_PUSHING,)),
    "tag-list": Benchmark(tag_lists.pages, (bars.TAG_LIST,)),
    "zb": Benchmark(zb_measure.scenarios, (*(scenario.name for scenario in zb.SCENARIOS), bars.ZB)),
    "beside-jobs": Benchmark(beside_jobs.pulls, (bars.BESIDE_JOBS,)),
    "beside-check": Benchmark(beside_jobs.check, (bars.BESIDE_CHECK,)),
    "job-enqueue": Benchmark(job_engine.enqueues, (bars.ENQUEUE,)),
    "job-start": Benchmark(job_engine.starts, (bars.JOB_START,)),
    "nodes": Benchmark(nodes.several, (bars.NODES,)),
    "nodes-pushing": Benchmark(nodes.beside_pushes, (bars.BESIDE_NODES,)),
    "redirects": Benchmark(nodes.redirects, (bars.REDIRECT,)),
    "unfinished": Benchmark(nodes.unfinished_uploads, (bars.UNFINISHED,)),
    "access": Benchmark(access.pulls, (bars.ACCESS, bars.ACCESS_MANY, bars.TOKENS)),
    "search": Benchmark(searching.answers, (bars.SEARCH,)),
    "idle": Benchmark(job_engine.idle, (bars.IDLE,)),
}
