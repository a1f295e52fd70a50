"""The limit of open files: it is raised as far as it may be, and more connections than it has room for only wait."""

import contextlib
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.serving.server import _most_connections, _raised_file_limit
from support.http import Client
from support.instance import surroundings
from support.processes import Server, free_port, web_workers

IDLE: Final = 200
CROWDED: Final = 120
LOW: Final = 256
CROWD: Final = "127.0.0.9"  # of an address's own connections the idle ones would have to make room


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[[str], tuple[Client, int]]]:
    """Serve with these limits of open files (soft:hard); return a client and the worker's number."""
    started: list[Server] = []

    def start(limits: str) -> tuple[Client, int]:
        port = free_port()
        words = ["--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--workers", "1", "--shutdown-delay", "0"]
        command = ["prlimit", f"--nofile={limits}", sys.executable, "-m", "entrepot", "serve", *words]
        server = Server(command, log=tmp_path / "log", environment=surroundings())
        started.append(server)
        client = Client(f"http://127.0.0.1:{port}", limit_s=5)
        server.wait_until(lambda: is_ready(client), 30)
        return client, web_workers(server.process.pid)[0]

    yield start
    for server in started:
        server.stop(30)


def is_ready(client: Client) -> bool:
    try:
        return client.get("/readyz").status == 200
    except OSError:
        return False


def busy_s(pid: int) -> float:
    """Return how much processor time the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (LOW, hard))
    try:
        raised = _raised_file_limit()
        assert LOW < raised <= 65_536
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("files", "connections"), [(64, 1), (100, 1), (120, 10), (1024, 462), (4196, 2048), (65_536, 2048), (1 << 30, 2048)]
)
def test_a_worker_takes_no_more_connections_than_it_has_two_files_for(files: int, connections: int) -> None:
    assert _most_connections(files) == connections


def test_more_idle_connections_than_files_keep_nobody_busy_and_those_that_are_open_are_answered(
    limited: Callable[[str], tuple[Client, int]],
) -> None:
    client, worker = limited(f"{CROWDED}:{CROWDED}")
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(client.address, 5, source_address=(CROWD, 0)))
        time.sleep(0.5)
        before = busy_s(worker)
        time.sleep(2)
        assert busy_s(worker) - before < 0.5
        assert len(list(Path(f"/proc/{worker}/fd").iterdir())) < CROWDED - 10
        # This client's connection was there before the crowd, and what it asks for still finds a file to be opened.
        assert client.get("/v2/_catalog").status == 200
    assert Client(f"http://127.0.0.1:{client.address[1]}", limit_s=10).get("/readyz").status == 200
