"""A blob of 1 GiB: pulled whole and in part by curl, and pushed as one streamed PATCH and a PUT."""

import hashlib
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from bench.bars import BLOB_PUSH, LARGE_BLOB_GET, PLAIN_COPY, RANGE_GET
from bench.book import CPU_SECONDS, SECONDS, SPEED, Book, Key
from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.fleet import LARGE, LARGE_FILES_BYTES, Fleet
from bench.images import Payload
from bench.processes import cpu_s
from bench.progress import say
from bench.servers import ENTREPOT, NGINX, ON_POSTGRES, REGISTRY, ZOT, Server
from bench.tools import tool

_LIMIT_S: Final = 120
# A single second says little on a busy machine.
_PULLS: Final = 3
_PIECE_BYTES: Final = 1 << 20
_ALL_BUT_THE_FIRST_BYTE: Final = "1-"


def pulls(fleet: Fleet, book: Book) -> None:
    """Pull the large blob, and a Range of it that leaves out its first byte only."""
    servers = fleet.with_large_blob(ENTREPOT, ON_POSTGRES, REGISTRY, NGINX, ZOT)
    size_bytes = fleet.large_blob.size_bytes
    os.sync()
    for server in servers:
        _pull(server, fleet.large_blob, size_bytes)
    for server in fleet.rounds(servers):
        for benchmark, part, expected in (
            (LARGE_BLOB_GET, None, size_bytes),
            (RANGE_GET, _ALL_BUT_THE_FIRST_BYTE, size_bytes - 1),
        ):
            before = cpu_s(server.pid)
            speed = median(_pull(server, fleet.large_blob, expected, part) for _ in range(_PULLS))
            book.add(Key(benchmark, server.name, SPEED), speed)
            book.add(Key(benchmark, server.name, CPU_SECONDS), (cpu_s(server.pid) - before) / _PULLS)
            say(f"{benchmark}: {server.name}: {speed:,.0f} MB/s")


def _pull(server: Server, blob: Payload, expected_bytes: int, part: str | None = None) -> float:
    """Pull by curl into nowhere; return the megabytes a second."""
    program = tool("curl")
    url = f"http://127.0.0.1:{server.port}/v2/{LARGE}/blobs/{blob.digest}"
    command = [str(program.path), "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{time_total}", url]
    command += ["-r", part] if part else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, env=program.environment, check=False)
    status, size_bytes, seconds = [*done.stdout.split(), "", "", ""][:3]
    if done.returncode or status != ("206" if part else "200") or int(size_bytes) != expected_bytes:
        raise BenchmarkFailed(f"curl of {server.name}'s large blob ended with {done.returncode}: {done.stdout} {done.stderr}")
    return expected_bytes / float(seconds) / 1e6


def pushes(fleet: Fleet, book: Book) -> None:
    """Push a blob that no one has; beside it the least work that a durable push can be, on the same bytes."""
    servers = fleet.running(ENTREPOT, ON_POSTGRES, REGISTRY, ZOT)
    for number in range(fleet.scale.rounds):
        blob = fleet.large_file.payload()
        os.sync()
        book.add(Key(BLOB_PUSH, PLAIN_COPY, SECONDS), _plain_copy(blob, fleet.folder / "copy"))
        for server in servers[number % len(servers) :] + servers[: number % len(servers)]:
            os.sync()
            before, began = cpu_s(server.pid), time.monotonic()
            with connected(server.port) as client:
                client.stream_blob("bench/pushed", blob)
            seconds = time.monotonic() - began
            book.add(Key(BLOB_PUSH, server.name, SECONDS), seconds)
            book.add(Key(BLOB_PUSH, server.name, SPEED), blob.size_bytes / seconds / 1e6)
            book.add(Key(BLOB_PUSH, server.name, CPU_SECONDS), cpu_s(server.pid) - before)
            server.forget_large_files(LARGE_FILES_BYTES)
            say(f"{BLOB_PUSH}: {server.name}: {seconds:.2f} s")


def _plain_copy(blob: Payload, target: Path) -> float:
    """Read, hash, write and fsync; return the seconds."""
    began = time.monotonic()
    total = hashlib.sha256()
    with target.open("wb", buffering=0) as file:
        for piece in blob.pieces(_PIECE_BYTES):
            total.update(piece)
            file.write(piece)
        os.fsync(file.fileno())
    seconds = time.monotonic() - began
    target.unlink()
    if f"sha256:{total.hexdigest()}" != blob.digest:
        raise BenchmarkFailed("the plain copy read other bytes than were made")
    return seconds
