"""More connections than a worker takes: those on which nothing runs make room, and those of the address with most come first."""

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.serving.connections import Connections
from support import images
from support.http import Client
from support.instance import Instance, surroundings
from support.processes import Server, free_port
from support.wire import Repository, digest_of

FILES: Final = 300
MOST: Final = 100  # connections, with so many files
HEAD: Final = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
FLOOD: Final = "127.0.0.9"
MIB: Final = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[str]:
    """The address of an instance of one worker that takes few connections."""
    port = free_port()
    words = ["--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--workers", "1", "--shutdown-delay", "0"]
    command = ["prlimit", f"--nofile={FILES}:{FILES}", sys.executable, "-m", "entrepot", "serve", *words]
    server = Server(command, log=tmp_path / "log", environment=surroundings())
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return Client(url, limit_s=5).get("/readyz").status == 200
        except OSError:
            return False

    server.wait_until(ready, 30)
    yield url
    server.stop(30)


def connect(url: str, source: str, sent: bytes = b"") -> socket.socket:
    """Connect from an address of loopback's."""
    made = socket.create_connection(Client(url).address, 10, source_address=(source, 0))
    made.sendall(sent)
    return made


def is_open(connection: socket.socket) -> bool:
    """Tell whether the server has left the connection open, without an answer on it."""
    connection.setblocking(False)  # noqa: FBT003 - the socket's own signature
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def took_s(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [HEAD, b"", b"GET /"], ids=["half a head", "nothing", "half a line"])
def test_one_address_with_all_connections_does_not_keep_others_waiting(small: str, sent: bytes) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(connect(small, "127.0.0.5")) for _ in range(5)]
        flood = [stack.enter_context(connect(small, FLOOD, sent)) for _ in range(MOST + 50)]
        for _ in range(3):
            assert took_s(lambda: Client(small, limit_s=8).get("/v2/")) < 6
        assert sum(is_open(each) for each in flood) <= MOST
        assert all(is_open(each) for each in others), "who has few keeps them"


def test_what_runs_goes_on_and_idle_connections_of_the_same_address_make_room(small: str) -> None:
    repo = Repository(Client(small, source=FLOOD), "team/app")
    content = os.urandom(MIB) * 64
    layer = images.blob(images.LAYER, content)
    images.push_blob(repo.client, "team/app", layer)
    location = repo.begin()
    with ExitStack() as stack:
        upload = stack.enter_context(
            connect(small, FLOOD, f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab".encode())
        )
        blob = f"GET /v2/team/app/blobs/{digest_of(content)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        download = stack.enter_context(connect(small, FLOOD, blob.encode()))
        time.sleep(0.5)
        flood = [stack.enter_context(connect(small, FLOOD, HEAD)) for _ in range(MOST - 10)]
        end = time.monotonic() + 6
        while sum(is_open(each) for each in flood) > MOST // 2:
            assert time.monotonic() < end, "none was closed"
            time.sleep(0.1)
        upload.sendall(b"cd")
        assert upload.recv(12) == b"HTTP/1.1 202"
        received = 0
        while part := download.recv(MIB):
            received += len(part)
        assert received > len(content)


def test_a_head_that_trickles_and_a_connection_that_is_idle_are_closed_after_half_a_minute_and_others_are_served(
    serve: Callable[..., Instance],
) -> None:
    hub = serve()
    client = hub.client()
    began = time.monotonic()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(hub.url, FLOOD, HEAD)) for _ in range(300)]
        slow += [stack.enter_context(connect(hub.url, FLOOD)) for _ in range(100)]
        idle = [stack.enter_context(connect(hub.url, FLOOD, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")) for _ in range(100)]
        for each in idle:
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
        times = []
        while time.monotonic() - began < 28:
            for each in slow[:300]:
                each.send(b"x")
            times.append(took_s(lambda: client.get("/v2/")))
            time.sleep(1)
        assert sorted(times)[len(times) // 2] < 0.05
        assert all(is_open(each) for each in (*slow, *idle))
        time.sleep(32 - (time.monotonic() - began))
        assert not any(is_open(each) for each in (*slow, *idle))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("having", "share"),
    [
        ({"a": 100}, 50),
        ({"a": 60, "b": 40}, 20),
        ({"a": 95, "b": 5}, 37),
        ({str(n): 1 for n in range(100)}, 1),
        ({"a": 10}, 50),
    ],
)
def test_all_addresses_together_keep_half_of_the_places(having: dict[str, int], share: int) -> None:
    connections = Connections(100, 5000)
    assert connections._share(Counter(having)) == share
