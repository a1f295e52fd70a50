"""The servers of one run, each started and filled when a benchmark first asks for it, all ended and removed at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from bench import images, servers
from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.images import CONFIG, LargeFile, Payload, Repository
from bench.progress import say
from bench.scale import Scale
from bench.servers import Server
from support.postgres import Cluster
from support.s3 import Bucket, S3Server

LARGE: Final = "bench/large"
LARGE_FILES_BYTES: Final = 64 << 20
_FILLERS: Final = 8
_COPY_BYTES: Final = 1 << 20
_T = TypeVar("_T")


class Fleet:
    """A scratch folder and the servers that live in it."""

    def __init__(self, scale: Scale, scratch: Path | None, *, on_cluster: bool = False) -> None:
        """Make the folder; `on_cluster` puts those that can on the cluster profile, and leaves the others out."""
        self.scale = scale
        self.on_cluster = on_cluster
        self.folder = Path(tempfile.mkdtemp(prefix="entrepot-bench-", dir=scratch))
        self._servers: dict[str, Server] = {}
        # What was begun last is ended first, and one failure there does not keep the rest from being ended.
        self._at_end = ExitStack()
        self._at_end.callback(shutil.rmtree, self.folder)
        self._absent: dict[str, str] = {}
        self._given: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._at_end.close()

    @property
    def absent(self) -> dict[str, str]:
        """The servers that were asked for and are not to be had, with the reason."""
        return self._absent

    @cached_property
    def cluster(self) -> Cluster:
        """The throw-away PostgreSQL."""
        cluster = Cluster()
        self._at_end.callback(cluster.remove)
        return cluster

    @cached_property
    def postgres_pid(self) -> int:
        """PostgreSQL's first process."""
        return int((Path(self.cluster.query("SHOW data_directory")) / "postmaster.pid").read_text().split()[0])

    @cached_property
    def s3(self) -> S3Server:
        """The throw-away S3 server."""
        server = S3Server()
        self._at_end.callback(server.remove)
        return server

    @cached_property
    def shared_database(self) -> str:
        """The database of those servers that are nodes of one registry."""
        return self.cluster.new_database()

    @cached_property
    def shared_bucket(self) -> Bucket:
        """Their bucket."""
        return self.s3.new_bucket()

    @cached_property
    def repositories(self) -> list[Repository]:
        """What the pull benchmarks ask for."""
        return images.repositories(self.scale.repositories, self.scale.tags_each)

    @cached_property
    def large_file(self) -> LargeFile:
        """The source of all large blobs."""
        say(f"making {self.scale.large_bytes >> 20} MiB of random bytes")
        return LargeFile(self.folder / "random", self.scale.large_bytes)

    @cached_property
    def large_blob(self) -> Payload:
        """The large blob that is pulled."""
        return self.large_file.payload()

    def running(self, *names: str) -> list[Server]:
        """Return those of the servers that are to be had, started."""
        found = [self._server(name) for name in names if name not in self._absent]
        return [server for server in found if server is not None]

    def with_images(self, *names: str) -> list[Server]:
        """Return the servers, holding all repositories."""
        found = self.running(*names)
        for server in found:
            if (server.name, "images") not in self._given:
                say(f"filling {server.name} with {self.scale.tags} tags")
                self._fill(server)
                self._given.add((server.name, "images"))
        return found

    def with_large_blob(self, *names: str) -> list[Server]:
        """Return the servers, holding the large blob."""
        found = self.running(*names)
        for server in found:
            if (server.name, "large") not in self._given:
                self._give_large_blob(server)
                self._given.add((server.name, "large"))
        return found

    def to_be_had(self, *names: str) -> list[str]:
        """Return those of the servers that are installed."""
        for name in names:
            try:
                self._made(name, self.folder)
            except BenchmarkFailed as failed:
                self._absent[name] = str(failed)
        return [name for name in names if name not in self._absent]

    @contextmanager
    def empty(self, name: str) -> Iterator[Server]:
        """Give a server that was just started on an empty folder, which is removed at the end."""
        data = Path(tempfile.mkdtemp(prefix="empty-", dir=self.folder)) / "data"
        data.mkdir()
        server = self._made(name, data)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(data.parent)

    def rounds(self, servers: Sequence[_T], *, at_most: int | None = None) -> Iterator[_T]:
        """Give every server once in each round, each round beginning with another one, so that no one is always first."""
        for number in range(min(self.scale.rounds, at_most or self.scale.rounds)):
            start = number % max(len(servers), 1)
            yield from [*servers[start:], *servers[:start]]

    def made(self, name: str) -> Server:
        """Return a server with an empty data folder, which is not started yet."""
        data = self.folder / name.replace(" ", "-")
        data.mkdir()
        server = self._made(name, data)
        self._at_end.callback(server.stop)
        return server

    def _server(self, name: str) -> Server | None:
        if name not in self._servers:
            data = self.folder / name.replace(" ", "-")
            data.mkdir()
            try:
                server = self._made(name, data)
                say(f"starting {name}")
                self._at_end.callback(server.stop)
                server.start()
            except BenchmarkFailed as failed:
                self._absent[name] = str(failed)
                say(f"{name}: {failed}")
                return None
            self._servers[name] = server
        return self._servers[name]

    def _made(self, name: str, data: Path) -> Server:
        if name in servers.NODE_NAMES:
            return servers.entrepot(name, data, self.shared_database, self.shared_bucket)
        if name == servers.REDIRECTING:
            return servers.entrepot(name, data, self.shared_database, self.shared_bucket, public_endpoint=self.s3.address)
        if self.on_cluster:
            return self._made_on_cluster(name, data)
        if name == servers.ON_POSTGRES:
            return servers.entrepot(name, data, self.cluster.new_database())
        if name.startswith(servers.ENTREPOT):
            return servers.entrepot(name, data)
        return {servers.REGISTRY: servers.docker_registry, servers.NGINX: servers.nginx, servers.ZOT: servers.zot}[name](data)

    def _made_on_cluster(self, name: str, data: Path) -> Server:
        if name == servers.ENTREPOT:
            return servers.entrepot(name, data, self.cluster.new_database(), self.s3.new_bucket())
        if name == servers.REGISTRY:
            return servers.docker_registry_on(self.s3.new_bucket(), data)
        raise BenchmarkFailed(f"{name} has no place on the cluster profile")

    def _fill(self, server: Server) -> None:
        if server.name == servers.NGINX:
            for repository in self.repositories:
                _lay_out(server.data / "root/v2" / repository.name, repository)
            return
        with connected(server.port) as client:
            client.push_blob(self.repositories[0].name, CONFIG)
        with ThreadPoolExecutor(_FILLERS) as pool:
            shares = [self.repositories[start::_FILLERS] for start in range(_FILLERS)]
            list(pool.map(_push, [server.port] * _FILLERS, shares, [self.repositories[0].name] * _FILLERS))
        # What the filling left unwritten must not disturb what is measured after it.
        os.sync()

    def _give_large_blob(self, server: Server) -> None:
        if server.name != servers.NGINX:
            with connected(server.port) as client:
                client.stream_blob(LARGE, self.large_blob)
            return
        path = server.data / "root/v2" / LARGE / "blobs" / self.large_blob.digest
        path.parent.mkdir(parents=True)
        with path.open("wb") as target:
            for piece in self.large_blob.pieces(_COPY_BYTES):
                target.write(piece)


def _push(port: int, share: list[Repository], mounted_from: str) -> None:
    with connected(port) as client:
        for repository in share:
            if repository.name != mounted_from:
                client.mount_blob(repository.name, CONFIG, mounted_from)
            client.push_blob(repository.name, repository.layer)
            for tag, manifest in repository.manifests.items():
                client.push_manifest(repository.name, tag, manifest)


def _lay_out(folder: Path, repository: Repository) -> None:
    (folder / "manifests").mkdir(parents=True)
    (folder / "blobs").mkdir()
    for tag, manifest in repository.manifests.items():
        (folder / "manifests" / tag).write_bytes(manifest.content)
    (folder / "blobs" / images.digest_of(repository.layer)).write_bytes(repository.layer)
