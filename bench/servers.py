"""The servers that are compared: how each is started, and what its processes cost."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from bench import buckets, client, processes
from bench.failure import BenchmarkFailed
from bench.tools import clean_environment, tool
from entrepot.base.settings import Settings
from support.s3 import Bucket

ENTREPOT: Final = "entrepot"
ON_POSTGRES: Final = "entrepot on PostgreSQL"
REGISTRY: Final = "docker-registry"
NGINX: Final = "nginx"
ZOT: Final = "zot"
OURS: Final = (ENTREPOT, ON_POSTGRES)
NODE_NAMES: Final = ("node 1", "node 2", "node 3", "node 4")
REDIRECTING: Final = "redirecting node"
ENTREPOT_MANY: Final = "entrepot, many accounts"
ENTREPOT_UNCOUNTED: Final = "entrepot, nothing counted"
ENTREPOT_FOUND: Final = "entrepot, many images"
ENTREPOT_UNLIMITED: Final = "entrepot, without limits"
_CONFIG: Final = Path(__file__).parent / "config"
_READY_S: Final = 60
_POLL_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a server is started on a port: its command and environment."""

    command: Callable[[int], list[str]]
    environment: dict[str, str]


class Server:
    """One of the compared servers, with a data folder that outlives its processes."""

    def __init__(self, name: str, data: Path, recipe: Recipe, database: str = "", bucket: Bucket | None = None) -> None:
        self.name = name
        self._database = database
        self._bucket = bucket
        self.data = data
        self.port = 0
        self._recipe = recipe
        self._program: processes.Program | None = None

    @property
    def place(self) -> Settings:
        """Where an Entrepot keeps its data."""
        return Settings(data=str(self.data), database=self._database, storage=self._bucket.url() if self._bucket else "")

    @property
    def pid(self) -> int:
        """The first process.

        Raises:
            BenchmarkFailed: it does not run.
        """
        if self._program is None:
            raise BenchmarkFailed(f"{self.name} does not run")
        return self._program.pid

    def start(self, path: str = "/v2/") -> float:
        """Start it; return the seconds until the path was first answered 200."""
        self.port = processes.free_port()
        command = self._recipe.command(self.port)
        began = time.monotonic()
        self._program = processes.Program(command, self.data.with_suffix(".log"), self._recipe.environment)
        try:
            self._program.wait_until(lambda: client.answers(self.port, path), at_most_s=_READY_S, pause_s=_POLL_S)
        except BenchmarkFailed:
            self.stop()
            raise
        return time.monotonic() - began

    def restart_with(self, **settings: object) -> None:
        """Start it anew with these settings of Entrepot, beside those that it has."""
        self.restart_in({f"ENTREPOT_{name.upper()}": str(value) for name, value in settings.items()}, "/readyz")

    def restart_in(self, environment: Mapping[str, str], path: str) -> None:
        """Start it anew with more in its environment, and wait until the path is answered 200."""
        self.stop()
        self._recipe.environment.update(environment)
        self.start(path)

    def stop(self) -> None:
        """End it; the data stays."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    def forget_large_files(self, at_least_bytes: int) -> None:
        """Delete stored blobs of that size, so that pushes of gigabytes do not add up on the disk; nobody reads them again."""
        if self._bucket is not None:
            buckets.forget_large(self._bucket, at_least_bytes)
        for path in self.data.rglob("*"):
            if path.is_file() and path.stat().st_size >= at_least_bytes:
                path.unlink()


def docker_registry(data: Path) -> Server:
    """Debian's docker-registry."""
    program = tool("docker-registry")

    def command(port: int) -> list[str]:
        return [str(program.path), "serve", _filled("registry.yml", data, port=port)]

    return Server(REGISTRY, data, Recipe(command, program.environment))


def docker_registry_on(bucket: Bucket, data: Path) -> Server:
    """Debian's docker-registry with its blobs in a bucket."""
    program = tool("docker-registry")
    place = bucket.place()

    def command(port: int) -> list[str]:
        values = {"endpoint": place.endpoint, "bucket": place.name, "prefix": place.prefix.rstrip("/")}
        keys = {"access": bucket.environment["AWS_ACCESS_KEY_ID"], "secret": bucket.environment["AWS_SECRET_ACCESS_KEY"]}
        return [str(program.path), "serve", _filled("registry-s3.yml", data, port=port, **values, **keys)]

    return Server(REGISTRY, data, Recipe(command, program.environment), bucket=bucket)


def nginx(data: Path) -> Server:
    """Static files by nginx, with as many workers as Entrepot has by default."""
    program = tool("nginx")
    user = "user root;" if os.geteuid() == 0 else ""
    workers = len(os.sched_getaffinity(0))

    def command(port: int) -> list[str]:
        config = _filled("nginx.conf", data, port=port, user=user, workers=workers)
        return [str(program.path), "-p", str(data), "-e", "stderr", "-c", config, "-g", "daemon off;"]

    return Server(NGINX, data, Recipe(command, program.environment))


def zot(data: Path) -> Server:
    """The zot registry."""
    program = tool("zot")

    def command(port: int) -> list[str]:
        return [str(program.path), "serve", _filled("zot.json", data, port=port)]

    return Server(ZOT, data, Recipe(command, program.environment))


def entrepot(name: str, data: Path, database: str = "", bucket: Bucket | None = None, **storage: str) -> Server:
    """Entrepot with its default settings but for its access, or on a PostgreSQL database, or with its blobs in a bucket.

    Access is open, as its peers' is here: what accounts cost is a measure of its own.
    """
    options = ["--database", database] if database else []
    options += ["--storage", bucket.url(**storage)] if bucket else []
    environment = clean_environment() | {"ENTREPOT_ACCESS": "open"} | (bucket.environment if bucket else {})

    def command(port: int) -> list[str]:
        serve = [sys.executable, "-m", "entrepot", "serve"]
        return [*serve, "--data", str(data), "--listen", f"127.0.0.1:{port}", *options]

    return Server(name, data, Recipe(command, environment), database, bucket)


def _filled(template: str, data: Path, **values: object) -> str:
    """Write a configuration with its values filled in beside the data; return its path."""
    path = data.parent / f"{data.name}-{template}"
    path.write_text(Template((_CONFIG / template).read_text()).substitute(data=data, **values))
    return str(path)
