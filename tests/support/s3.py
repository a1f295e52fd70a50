"""A real S3 server for tests: SeaweedFS on loopback, and buckets' places in it.

There is one bucket, and a prefix for each test: SeaweedFS gives each bucket files of its own, of which many would fill its room.
"""

import itertools
import json
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from entrepot.base.bucket import Bucket as Place
from entrepot.base.bucket import parse_bucket
from support.processes import Server
from support.tools import missing

_ACCESS: Final = "entrepot-tests"
_SECRET: Final = "only-for-tests"  # noqa: S105 - of a server that ends with them
_NAME: Final = "blobs"
_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 30.0
# Of each service a port, and the one by which it speaks with the others.
_PORTS: Final = ("master.port", "volume.port", "filer.port", "s3.port", "admin.port")
_GRPC_PORTS: Final = ("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc", "admin.port.grpc")
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place of its own in the server's bucket."""

    address: str
    prefix: str
    environment: dict[str, str] = field(default_factory=dict)
    name: str = _NAME

    def url(self, **options: str) -> str:
        """Return the `--storage` setting; `endpoint` may be another one, and `public_endpoint` and the rest may be added."""
        words = {"endpoint": self.address, "create": "true", **options}
        return f"s3://{self.name}/{self.prefix}?" + "&".join(f"{name}={value}" for name, value in words.items())

    def place(self, **options: str) -> Place:
        """Return the setting as the product reads it."""
        return parse_bucket(self.url(**options))


class S3Server:
    """A running SeaweedFS of our own."""

    def __init__(self) -> None:
        program = Path(sys.executable).with_name("weed")
        if not program.exists():
            missing("weed is not there: make environment-dev")
        self._folder = Path(tempfile.mkdtemp(prefix="entrepot-s3-"))
        keys = {"name": "tests", "credentials": [{"accessKey": _ACCESS, "secretKey": _SECRET}], "actions": ["Admin"]}
        (self._folder / "keys.json").write_text(json.dumps({"identities": [keys]}), "utf-8")
        (self._folder / "data").mkdir()
        ports = dict(zip((*_PORTS, *_GRPC_PORTS), _free_ports(len(_PORTS) * 2), strict=True))
        self.port = ports["s3.port"]
        flags = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            **ports,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self._folder / "keys.json",
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
        }
        self._command = [str(program), "mini", *(f"-{name}={value}" for name, value in flags.items())]
        self.start()

    @property
    def address(self) -> str:
        """Return the endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process, for those who freeze it."""
        return self._server.process.pid

    @property
    def environment(self) -> dict[str, str]:
        """Return the credentials as Entrepot finds them."""
        return {"AWS_ACCESS_KEY_ID": _ACCESS, "AWS_SECRET_ACCESS_KEY": _SECRET, "AWS_REGION": "us-east-1"}

    def start(self) -> None:
        """Start it, on the ports that it had before."""
        environment = {**os.environ, "HOME": str(self._folder)}
        self._server = Server(self._command, log=self._folder / "log", environment=environment, ends_by="INT")
        self._server.wait_until(self._answers, _START_LIMIT_S)

    def stop(self) -> None:
        """Stop it."""
        self._server.stop(_STOP_LIMIT_S)

    def kill(self) -> None:
        """End it at once."""
        self._server.kill()

    def remove(self) -> None:
        """End it and delete all that it held."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_bucket(self) -> Bucket:
        """Return a place that nothing was ever kept at."""
        return Bucket(self.address, f"test-{os.getpid()}-{next(_numbers)}", self.environment)

    def _answers(self) -> bool:
        try:
            with closing(socket.create_connection(("127.0.0.1", self.port), 2)) as connection:
                connection.sendall(b"GET /status HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
                return b"200" in connection.recv(64)
        except OSError:
            return False


@contextmanager
def served() -> Iterator[S3Server]:
    """Serve until the block is left."""
    server = S3Server()
    try:
        yield server
    finally:
        server.remove()


def _free_ports(count: int) -> list[int]:
    """Return neighbouring ports that nobody listens on: below those that the kernel gives to connections."""
    for _ in range(200):
        first = random.randrange(12_000, 30_000, 16)
        if all(_is_free(first + each) for each in range(count)):
            return list(range(first, first + count))
    raise AssertionError("no ports are free")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
