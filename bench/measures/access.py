"""What accounts cost: pulls with a token of the registry's own, pulls that are counted, tokens issued.

Four registries hold the same images and are asked in turn: one has 100,000 users and 1,000,000 repositories beside them, one
counts no pulls, and one has no limits.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec

from bench import wrk
from bench.bars import ACCESS, ACCESS_MANY, TOKENS
from bench.book import CPU, RATE, Book, Key
from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.fleet import Fleet
from bench.images import MANIFEST_TYPE, Repository
from bench.processes import cpu_s
from bench.progress import say
from bench.servers import ENTREPOT, ENTREPOT_MANY, ENTREPOT_UNCOUNTED, ENTREPOT_UNLIMITED, REGISTRY, Server
from bench.token_auth import Authority
from entrepot.domain.accounts.model import ADMINISTRATOR, Scope, Terms
from support.accounts import basic, with_accounts

NOBODY: Final = "without a login"
BEARER: Final = "with a bearer token"
PRIVATE: Final = "of a private repository, with a bearer token"
UNCOUNTED: Final = "with a bearer token, nothing counted"
UNLIMITED: Final = "for an address, without limits"
COUNTED: Final = "counted for an address"
DOCKERS: Final = "docker-registry, with a bearer token"
_PRIVATE: Final = 4  # every fourth repository is private
_PASSWORD: Final = "a password for benchmarks"  # noqa: S105 - of a registry that the run made
_ADDRESSES: Final = 20_000  # so that none of them comes to its limit
_WARM_UP_S: Final = 1
_MANY: Final = Path(__file__).parents[1] / "config" / "many-accounts.sql"
Paths = Callable[[], Path]


def pulls(fleet: Fleet, book: Book) -> None:
    """Pull in each of the ways, and ask for tokens."""
    if fleet.on_cluster:
        raise BenchmarkFailed("it is measured on SQLite alone")
    few = _served(fleet)
    uncounted, unlimited, many = _beside(fleet, few)
    # What is compared is measured one after the other: the machine is a little faster or slower every minute.
    ways = [(UNCOUNTED, uncounted), (BEARER, few), (NOBODY, few), (PRIVATE, few), (UNLIMITED, unlimited), (COUNTED, few)]
    ways += [(TOKENS, few), *((way, many) for way in (TOKENS, COUNTED, PRIVATE, BEARER, NOBODY))]
    made = {server.name: _paths(fleet, server) for server in (few, many, uncounted, unlimited)}
    registry = _docker_s(fleet)
    if registry is not None:
        docker_s, its_paths = registry
        ways.append((DOCKERS, docker_s))
        made[docker_s.name] = {DOCKERS: its_paths}
    for way, server in fleet.rounds(ways):
        paths = made[server.name][way]()
        wrk.run(server.port, paths, _WARM_UP_S)
        own = cpu_s(server.pid)
        load = wrk.run(server.port, paths, fleet.scale.load_s)
        if way == TOKENS:
            book.add(Key(TOKENS, server.name, RATE), load.per_s)
        else:
            book.add(Key(_benchmark(server), way, CPU), (cpu_s(server.pid) - own) / load.requests * 1e6)
            book.add(Key(_benchmark(server), way, RATE), load.per_s)
        say(f"{_benchmark(server)}: {way}: {load.per_s:,.0f}/s")


def _benchmark(server: Server) -> str:
    return ACCESS_MANY if server.name == ENTREPOT_MANY else ACCESS


def _served(fleet: Fleet) -> Server:
    """Return the server with the images, served with accounts, some of its repositories private."""
    (server,) = fleet.with_images(ENTREPOT)
    server.stop()
    hidden = [(each.name,) for each in fleet.repositories[::_PRIVATE]]
    with closing(sqlite3.connect(server.data / "entrepot.db")) as database, database:
        database.executemany("UPDATE repository SET visibility = 'private' WHERE name = ?", hidden)
    server.restart_with(access="accounts", admin_password=_PASSWORD, trusted_proxies="127.0.0.1/32")
    return server


def _beside(fleet: Fleet, few: Server) -> tuple[Server, Server, Server]:
    """Return copies of the server: one that counts nothing, one without limits, one with very many accounts and repositories."""
    few.stop()
    uncounted, unlimited, many = (fleet.made(name) for name in (ENTREPOT_UNCOUNTED, ENTREPOT_UNLIMITED, ENTREPOT_MANY))
    for server in (uncounted, unlimited, many):
        shutil.copytree(few.data, server.data, dirs_exist_ok=True)
    with closing(sqlite3.connect(many.data / "entrepot.db")) as database, database:
        database.executescript(_MANY.read_text("utf-8"))
    about = {"access": "accounts", "admin_password": _PASSWORD, "trusted_proxies": "127.0.0.1/32"}
    for server in (few, many):
        server.restart_with(**about)
    uncounted.restart_with(**about, count_pulls="false")
    unlimited.restart_with(**about, limits="open")
    return uncounted, unlimited, many


def _docker_s(fleet: Fleet) -> tuple[Server, Paths] | None:
    """Return Docker's registry with the images and token authentication, if it is to be had, and what writes down its paths."""
    for server in fleet.with_images(REGISTRY):
        authority = Authority(fleet.folder)
        server.restart_in(authority.environment, "/")
        public = [each for place, each in enumerate(fleet.repositories) if place % _PRIVATE]
        lines = [
            f"{path}\tAuthorization: Bearer {token}"
            for each, token in ((each, authority.token(each.name)) for each in public)
            for path in _manifests(each)
        ]
        with connected(server.port) as client:
            path, _, header = lines[0].partition("\t")
            client.ask("GET", path).expect(401)
            name, _, token = header.partition(": ")
            client.ask("GET", path, headers={name: token, "Accept": MANIFEST_TYPE}).expect(200)
        return server, partial(wrk.write_paths, fleet.folder / "accounts", lines)
    return None


def _paths(fleet: Fleet, server: Server) -> dict[str, Paths]:
    """Return for each way what writes down the paths, with their headers; tokens live for minutes, so they are made each time."""
    private, public = fleet.repositories[::_PRIVATE], [each for place, each in enumerate(fleet.repositories) if place % _PRIVATE]
    terms = Terms(Scope.READ)
    _, secret = with_accounts(server.place, lambda who: who.credentials.add_personal(ADMINISTRATOR, "bench", terms))
    header = f"Authorization: {basic(ADMINISTRATOR, secret)}"
    plain = [path for each in public for path in _manifests(each)]
    asked = [f"{_token_path(each)}\t{header}" for each in fleet.repositories]
    addresses = [f"11.{number >> 8}.{number & 255}.1" for number in range(_ADDRESSES)]
    counted = [f"{plain[number % len(plain)]}\tX-Forwarded-For: {address}" for number, address in enumerate(addresses)]
    write = partial(wrk.write_paths, fleet.folder / "accounts")
    return {
        NOBODY: lambda: write(plain),
        BEARER: lambda: write(_with_tokens(server, public, secret)),
        UNCOUNTED: lambda: write(_with_tokens(server, public, secret)),
        PRIVATE: lambda: write(_with_tokens(server, private, secret)),
        UNLIMITED: lambda: write(counted),
        COUNTED: lambda: write(counted),
        TOKENS: lambda: write(asked),
    }


def _manifests(repository: Repository) -> list[str]:
    return [f"/v2/{repository.name}/manifests/{tag}" for tag in repository.manifests]


def _token_path(repository: Repository) -> str:
    return "/token?" + urlencode({"service": "bench", "scope": f"repository:{repository.name}:pull"})


def _with_tokens(server: Server, repositories: list[Repository], secret: str) -> list[str]:
    """Return the paths of all manifests, each with a token as a client that pulls from its repository has it."""
    lines = []
    with connected(server.port) as client:
        for each in repositories:
            answer = client.ask("GET", _token_path(each), headers={"Authorization": basic(ADMINISTRATOR, secret)}).expect(200)
            token = msgspec.json.decode(answer.body)["token"]
            lines += [f"{path}\tAuthorization: Bearer {token}" for path in _manifests(each)]
    return lines
