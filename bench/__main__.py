"""Runs the benchmarks: `python -m bench [--rounds N] [--only NAME,...] [--quick] [--cluster] …`; `--help` tells all."""

import argparse
import http.client
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from bench import report
from bench.book import Book
from bench.catalogue import CATALOGUE
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.machine import describe
from bench.progress import say
from bench.report import Result
from bench.scale import FULL, QUICK

_CLUSTER: Final = (
    "cluster: PostgreSQL and a bucket in SeaweedFS, docker-registry on a bucket of the same server, without redirects"
)
_INTERRUPTED: Final = 130  # what a shell reports for Ctrl-C


def main() -> int:
    """Run what the command line asks for; the exit code is 1 when something could not be measured, whatever the bars say."""
    options = _options()
    if options.write_docs:
        report.write_docs(report.newest())
        return 0
    scale = QUICK if options.quick else FULL
    scale = replace(scale, rounds=options.rounds or scale.rounds, found=options.found or scale.found)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with Fleet(scale, options.scratch, on_cluster=options.cluster) as fleet:
            result, failed = _run(fleet, options.only or list(CATALOGUE))
    except KeyboardInterrupt:
        say("stopped: the servers are ended and their data removed")
        return _INTERRUPTED
    print(result.markdown())
    say(f"kept as {result.keep()}")
    return int(failed)


def _run(fleet: Fleet, names: list[str]) -> tuple[Result, bool]:
    book = Book()
    for name in names:
        say(f"== {name}")
        try:
            CATALOGUE[name].run(fleet, book)
        except (BenchmarkFailed, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as failed:
            # The other benchmarks may still tell something; the table says which one did not.
            book.failures[name] = f"{type(failed).__name__}: {failed}"
            say(f"{name} failed: {failed}")
    machine = describe(fleet.folder) | ({"profile": _CLUSTER} if fleet.on_cluster else {})
    measured = [benchmark for name in names for benchmark in CATALOGUE[name].fills]
    return Result.of(book, fleet.scale, machine, fleet.absent, measured), bool(book.failures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, help=f"how often each figure is taken (default {FULL.rounds}, quick {QUICK.rounds})"
    )
    parser.add_argument("--only", type=_names, help=f"comma-separated: {', '.join(CATALOGUE)}")
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter, in about three minutes: to try a change, not to judge it"
    )
    parser.add_argument(
        "--found",
        type=int,
        help=f"repositories with ten tags each that are searched (default {FULL.found}; a large hub: 1000000)",
    )
    parser.add_argument(
        "--scratch", type=Path, help="folder for the servers' data, about 20 GB (default: the system's temporary folder)"
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="put Entrepot on PostgreSQL and a bucket, docker-registry on a bucket of the same server, and leave the others out",
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="put the newest kept run into docs/performance.md; runs nothing"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in CATALOGUE]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(CATALOGUE)}")
    return names


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """End like Ctrl-C does, so that the servers are ended and the data removed."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
