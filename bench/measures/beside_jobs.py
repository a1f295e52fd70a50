"""Manifest pulls while a background job of each kind runs, and while everything is checked at half the disk's speed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from bench import wrk
from bench.bars import BESIDE_CHECK, BESIDE_JOBS, FSCK, PLAIN_READ
from bench.book import LONGEST, RATE, SECONDS, SPEED, Book, Key
from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.fleet import LARGE, Fleet
from bench.garbage import CHORES, Chore
from bench.measures.pulls import manifest_paths
from bench.progress import say
from bench.scale import FULL
from bench.servers import ENTREPOT, OURS, Server
from bench.tools import clean_environment
from entrepot.base.settings import Settings
from entrepot.platform.jobs import enqueue
from support.parts import opened, sql

_LIMIT_S: Final = 180.0
_SETTLE_S: Final = 1.0
_LARGE_ONES: Final = 6
_BEGUN_S: Final = 0.2
_SCRUB: Final = next(chore for chore in CHORES if chore.name == "scrub")
_PIECE: Final = 1 << 20
_JOB: Final = "the job itself"


def pulls(fleet: Fleet, book: Book) -> None:
    """Pull all manifests at random, without a job and with one, for each kind of job."""
    paths = manifest_paths(fleet)
    for server in fleet.rounds(fleet.with_images(*OURS)):
        for chore in CHORES:
            chore.make(server.place, chore.count * fleet.scale.load_s // FULL.load_s)
            os.sync()
            _idle(fleet, book, server, chore.name, paths)
            id_ = asyncio.run(_enqueued(server.place, chore))
            _load(fleet, book, f"{server.name}, {chore.name}", server, paths)
            seconds = asyncio.run(_ended_after_s(server.place, id_))
            book.add(Key(BESIDE_JOBS, f"{server.name}, {chore.name}, {_JOB}", SECONDS), seconds)
        _idle(fleet, book, server, FSCK, paths)
        with _checking(server):
            _load(fleet, book, f"{server.name}, {FSCK}", server, paths)


def check(fleet: Fleet, book: Book) -> None:
    """Pull all manifests while a scrub reads large blobs that are not in memory, at half of what the disk gives."""
    paths = manifest_paths(fleet)
    fleet.with_images(ENTREPOT)
    servers = fleet.with_large_blob(ENTREPOT)
    for server in servers:
        with connected(server.port) as client:
            for _ in range(_LARGE_ONES - 1):
                client.stream_blob(LARGE, fleet.large_file.payload())
    os.sync()
    for server in fleet.rounds(servers):
        speed = _disk_speed(server.data)
        book.add(Key(BESIDE_CHECK, "the disk", SPEED), speed)
        server.restart_with(scrub_rate=int(speed * 1e6 / 2))
        wrk.run(server.port, paths, 1)
        idle = wrk.run(server.port, paths, fleet.scale.load_s)
        _evict(server.data)
        id_ = asyncio.run(_enqueued(server.place, _SCRUB))
        time.sleep(_BEGUN_S)
        busy = wrk.run(server.port, paths, fleet.scale.load_s)
        seconds = asyncio.run(_ended_after_s(server.place, id_))
        with _reading(server.data / "blobs", speed * 1e6 / 2):
            beside_plain = wrk.run(server.port, paths, fleet.scale.load_s)
        book.add(Key(BESIDE_CHECK, f"{server.name}, {_JOB}", SPEED), _LARGE_ONES * fleet.scale.large_bytes / 1e6 / seconds)
        book.add(Key(BESIDE_CHECK, f"{server.name}, idle", RATE), idle.per_s)
        book.add(Key(BESIDE_CHECK, PLAIN_READ, RATE), beside_plain.per_s)
        book.add(Key(BESIDE_CHECK, server.name, RATE), busy.per_s)
        say(
            f"{BESIDE_CHECK}: {server.name}: {busy.per_s:,.0f}/s, idle {idle.per_s:,.0f}/s, "
            f"beside a plain read {beside_plain.per_s:,.0f}/s, the disk gives {speed:,.0f} MB/s"
        )


@contextmanager
def _reading(folder: Path, bytes_a_second: float) -> Iterator[None]:
    """Let a program that does nothing else read at that rate."""
    command = [sys.executable, "-m", "bench.plain_reader", str(folder), str(bytes_a_second)]
    reader = subprocess.Popen(command, start_new_session=True)
    try:
        time.sleep(_BEGUN_S)
        yield
        if reader.poll() is not None:
            raise BenchmarkFailed(f"the plain reader ended with {reader.returncode}")
    finally:
        reader.kill()
        reader.wait()


def _idle(fleet: Fleet, book: Book, server: Server, name: str, paths: Path) -> None:
    time.sleep(_SETTLE_S)
    _load(fleet, book, f"{server.name}, before {name}", server, paths)


def _load(fleet: Fleet, book: Book, subject: str, server: Server, paths: Path) -> None:
    load = wrk.run(server.port, paths, fleet.scale.load_s)
    book.add(Key(BESIDE_JOBS, subject, RATE), load.per_s)
    book.add(Key(BESIDE_JOBS, subject, LONGEST), load.longest_ms)
    say(f"{BESIDE_JOBS}: {subject}: {load.per_s:,.0f}/s, longest {load.longest_ms:.0f} ms")


async def _enqueued(place: Settings, chore: Chore) -> int:
    async with opened(place) as db:
        made = await db.write(partial(enqueue, work=chore.job))
    if made is None:
        raise BenchmarkFailed(f"no job was made for {chore.name}")
    return made


async def _ended_after_s(place: Settings, id_: int) -> float:
    """Wait for the job's end; return how long it took from its commit on."""
    end = time.monotonic() + _LIMIT_S
    while time.monotonic() < end:
        row = (await sql(place, "SELECT finished_at - created_at, state FROM job WHERE id = $1", id_))[0]
        if row[0] is not None:
            if row[1] != "done":
                raise BenchmarkFailed(f"the job is {row[1]}")
            return float(row[0]) / 1e6
        await asyncio.sleep(0.1)
    raise BenchmarkFailed(f"the job did not end within {_LIMIT_S} s")


@contextmanager
def _checking(server: Server) -> Iterator[None]:
    """Let `entrepot fsck` run again and again; a second later it has begun to read."""
    words = ["--data", server.place.data, *(["--database", server.place.database] if server.place.database else [])]
    command = [sys.executable, "-m", "entrepot", "fsck", *words]
    script = 'while told=$("$@" 2>&1); do :; done; echo "$told"'
    loop = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", script, "sh", *command]
    checks = subprocess.Popen(loop, env=clean_environment(), start_new_session=True, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(_SETTLE_S)
        yield
        if checks.poll() is not None:
            raise BenchmarkFailed(f"fsck ended: {checks.communicate()[0]}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(checks.pid, 9)
        checks.communicate()


def _evict(data: Path) -> None:
    """Let the kernel forget the blobs."""
    for path in (data / "blobs").rglob("*.*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _disk_speed(data: Path) -> float:
    """Read the largest blob from the disk, in MB a second."""
    path = max((data / "blobs").rglob("*.*"), key=lambda each: each.stat().st_size)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began, size = time.perf_counter(), 0
        while piece := file.read(_PIECE):
            size += len(piece)
    return size / 1e6 / (time.perf_counter() - began)
