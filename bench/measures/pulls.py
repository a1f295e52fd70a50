"""Many small pulls over kept connections: manifests by tag, blobs of 2 KB, and manifests while their tags are moved."""

from pathlib import Path
from typing import Final

from bench import wrk
from bench.bars import MANIFEST_GET, MOVING_TAGS, SMALL_BLOB_GET
from bench.book import CPU, MOVES, RATE, STALE, Book, Key
from bench.client import connected
from bench.fleet import Fleet
from bench.images import digest_of
from bench.measures.pusher import Pushers
from bench.processes import cpu_s
from bench.progress import say
from bench.servers import ENTREPOT, NGINX, ON_POSTGRES, OURS, REGISTRY, ZOT, Server
from bench.wrk import Load

_EVERYONE: Final = (ENTREPOT, ON_POSTGRES, REGISTRY, NGINX, ZOT)
_WARM_UP_S: Final = 1
_DATABASE: Final = "PostgreSQL itself (not in the row above)"


def manifests(fleet: Fleet, book: Book) -> None:
    """Pull all tags of all repositories at random."""
    paths = manifest_paths(fleet)
    servers = fleet.with_images(*_EVERYONE)
    _check_manifests(fleet, servers)
    _rounds(fleet, book, MANIFEST_GET, servers, paths)


def small_blobs(fleet: Fleet, book: Book) -> None:
    """Pull the layers of all repositories at random."""
    blobs = [f"/v2/{each.name}/blobs/{digest_of(each.layer)}" for each in fleet.repositories]
    _rounds(fleet, book, SMALL_BLOB_GET, fleet.with_images(*_EVERYONE), wrk.write_paths(fleet.folder / "blobs", blobs))


def moving_tags(fleet: Fleet, book: Book) -> None:
    """Pull as above while pushers move tags and read each back on another connection."""
    paths = manifest_paths(fleet)
    for server in fleet.rounds(fleet.with_images(*OURS)):
        say(f"{MOVING_TAGS}: {server.name}")
        with Pushers(server.port, fleet.repositories) as pushers:
            _load(fleet, book, MOVING_TAGS, server, paths)
        book.add(Key(MOVING_TAGS, server.name, MOVES), pushers.moves_per_s)
        book.add(Key(MOVING_TAGS, server.name, STALE), pushers.stale)


def manifest_paths(fleet: Fleet) -> Path:
    """Write down the paths of all manifests."""
    paths = [f"/v2/{each.name}/manifests/{tag}" for each in fleet.repositories for tag in each.manifests]
    return wrk.write_paths(fleet.folder / "manifests", paths)


def _check_manifests(fleet: Fleet, servers: list[Server]) -> None:
    """Look once at what everybody answers: a fast wrong answer is no answer."""
    repository = fleet.repositories[-1]
    for server in servers:
        with connected(server.port) as client:
            for tag, manifest in repository.manifests.items():
                client.manifest(repository.name, tag).expect(200).must_be(manifest.digest)


def _rounds(fleet: Fleet, book: Book, benchmark: str, servers: list[Server], paths: Path) -> None:
    for server in servers:
        wrk.run(server.port, paths, _WARM_UP_S)
    for server in fleet.rounds(servers):
        load = _load(fleet, book, benchmark, server, paths)
        say(f"{benchmark}: {server.name}: {load.per_s:,.0f}/s")


def _load(fleet: Fleet, book: Book, benchmark: str, server: Server, paths: Path) -> Load:
    """Load a server for the time of one round and note what its processes, and its database's, took."""
    on_postgres = bool(server.place.database)
    own, database = cpu_s(server.pid), cpu_s(fleet.postgres_pid) if on_postgres else 0.0
    load = wrk.run(server.port, paths, fleet.scale.load_s)
    book.add(Key(benchmark, server.name, CPU), (cpu_s(server.pid) - own) / load.requests * 1e6)
    if on_postgres:
        book.add(Key(benchmark, _DATABASE, CPU), (cpu_s(fleet.postgres_pid) - database) / load.requests * 1e6)
    book.add(Key(benchmark, server.name, RATE), load.per_s)
    return load
