"""More connections than a worker takes: those on which nothing runs make room, and those of the address with most come first."""

import asyncio
import os
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest

from entrepot.app.serving import meters, web
from entrepot.base.addresses import peer_of
from entrepot.base.settings import Found, Settings
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
OTHER: Final = "127.0.0.5"
MIB: Final = 1 << 20
SOON_S: Final = 25.0  # before the server by itself closes what is idle, and far above any delay of a busy machine


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
    began = time.monotonic()
    with ExitStack() as stack:
        others = [stack.enter_context(connect(small, "127.0.0.5")) for _ in range(5)]
        flood = [stack.enter_context(connect(small, FLOOD, sent)) for _ in range(MOST + 50)]
        for _ in range(3):
            assert Client(small, limit_s=SOON_S).get("/v2/").status == 200
        assert time.monotonic() - began < SOON_S
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
        # Those that are taken only after the look stay, as long as they crowd nobody.
        until(lambda: sum(is_open(each) for each in flood) < MOST * 3 // 4, SOON_S)
        upload.sendall(b"cd")
        assert upload.recv(12) == b"HTTP/1.1 202"
        received = 0
        while part := download.recv(MIB):
            received += len(part)
        assert received > len(content)


@contextmanager
def crowd(url: str, log: Path) -> Iterator[None]:
    """Connect with more clients than a worker likes, of one address, and wait until it has sent some away."""
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(connect(url, FLOOD, HEAD))
        until(lambda: "connections_thinned_out" in log.read_text("utf-8"))
        yield


def until(happened: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait for an event; the limit is only there to end a test that has failed."""
    end = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("method", "status"), [("PUT", 201), ("POST", 202), ("DELETE", 202)], ids=["end of an upload", "begin of one", "deletion"]
)
def test_a_request_without_a_body_that_takes_long_goes_on(small: str, tmp_path: Path, method: str, status: int) -> None:
    repo = Repository(Client(small, source=FLOOD), "team/app")
    location = repo.begin()
    assert repo.client.patch(location, body=b"abc").status == 202
    image = digest_of(repo.image("v1"))
    targets = {
        "PUT": f"{location}?digest={digest_of(b'abc')}",
        "POST": repo.at("blobs/uploads/"),
        "DELETE": repo.at(f"manifests/{image}"),
    }
    with closing(sqlite3.connect(tmp_path / "data" / "entrepot.db", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")  # nothing can be written now
        head = f"{method} {targets[method]} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        with connect(small, FLOOD, head.encode()) as waiting, crowd(small, tmp_path / "log"):
            database.execute("ROLLBACK")
            assert waiting.recv(12) == f"HTTP/1.1 {status}".encode()


def slow(url: str, source: str, path: str) -> socket.socket:
    """Ask for a blob; of 20 MiB a part stays with the server until somebody reads."""
    made = connect(url, source, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    made.settimeout(60)
    return made


def taken(connection: socket.socket, pause_s: float = 0.0) -> int:
    """Return how many bytes come until the connection ends."""
    received = 0
    with suppress(ConnectionError):
        while part := connection.recv(MIB // 2, socket.MSG_WAITALL):
            received += len(part)
            time.sleep(pause_s)
    return received


def test_answers_that_nobody_takes_make_room_and_those_of_others_and_whatever_moves_go_on(small: str, tmp_path: Path) -> None:
    repo = Repository(Client(small, source=FLOOD), "team/app")
    content = os.urandom(MIB) * 20
    images.push_blob(repo.client, "team/app", images.blob(images.LAYER, content))
    path = repo.at(f"blobs/{digest_of(content)}")
    location = repo.begin()
    patch = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab"
    with ExitStack() as stack, ThreadPoolExecutor(1) as threads:
        others = [stack.enter_context(slow(small, OTHER, path)) for _ in range(3)]
        upload = stack.enter_context(connect(small, FLOOD, patch.encode()))
        moving = threads.submit(taken, stack.enter_context(slow(small, FLOOD, path)), 0.5)
        stalled = [stack.enter_context(slow(small, FLOOD, path)) for _ in range(MOST + 20)]
        assert Client(small, source="127.0.0.6", limit_s=60).get("/v2/").status == 200
        until(lambda: "connections_thinned_out" in (tmp_path / "log").read_text("utf-8"))
        upload.sendall(b"cd")
        assert upload.recv(12) == b"HTTP/1.1 202"
        assert moving.result() > len(content)
        assert [taken(each) > len(content) for each in others] == [True] * 3
        whole = sum(taken(each) > len(content) for each in stalled)
        assert 0 < whole < MOST, "it keeps its share"


@pytest.mark.fast
def test_a_connection_is_closed_only_if_it_is_still_that_client_s_and_still_idle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        where = listener.getsockname()
        connections = Connections(100, where[1])
        first, second = (stack.enter_context(socket.create_connection(where)) for _ in range(2))
        accepted = listener.accept()[0]
        file, gone = accepted.fileno(), peer_of(*first.getsockname())
        accepted.close()
        accepted = stack.enter_context(listener.accept()[0])
        assert accepted.fileno() == file, "the number was given away"
        assert not connections._end(file, gone, stalled=False)
        assert is_open(second)
        peer = peer_of(*second.getsockname())
        connections.running = {peer: Sending(0.0)}
        assert not connections._end(file, peer, stalled=False)
        assert not connections._end(file, peer, stalled=True), "what sends no answer is not stalled"
        connections.running = {peer: Sending(time.monotonic() - 5)}
        assert not connections._end(file, peer, stalled=True)
        assert is_open(second)
        connections.running = {peer: Sending(time.monotonic() - 11)}
        assert connections._end(file, peer, stalled=True)
        assert not is_open(second)


@pytest.mark.fast
def test_a_request_runs_for_its_connection_while_the_one_before_it_is_ending(tmp_path: Path) -> None:
    """A client that has the last byte asks again before the request that brought it has ended."""
    settings = Settings(data=str(tmp_path))
    connections = Connections(100, 5000)
    front = web(Found(settings, {}), meters(settings), None, None, lambda: False, connections)
    scope = {"type": "http", "method": "GET", "raw_path": b"/healthz", "query_string": b"", "headers": []}
    scope |= {"client": ("127.0.0.1", "40000"), "scheme": "http"}

    async def ask_twice() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()
        following: list[asyncio.Task[None]] = []

        async def held(_message: object) -> None:
            asked.set()
            await answer.wait()

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                following.append(asyncio.create_task(front(scope, nothing, held)))
                await asked.wait()

        await front(scope, nothing, sent)
        assert set(connections.running) == {("127.0.0.1", "40000")}
        answer.set()
        await following[0]
        assert connections.running == {}

    asyncio.run(ask_twice())


async def nothing() -> MutableMapping[str, Any]:
    """Bring no body."""
    return {"type": "http.disconnect"}


@dataclass
class Sending:
    """A request that runs."""

    sending_since: float


@pytest.mark.fast
def test_a_client_has_one_name_whether_its_interface_is_told_or_not() -> None:
    assert peer_of("fe80::1%eth0", 40_000) == peer_of("fe80::1", "40000")


def test_a_head_that_trickles_and_a_connection_that_is_idle_are_closed_after_half_a_minute_and_others_are_served(
    serve: Callable[..., Instance],
) -> None:
    hub = serve()
    clients = hub.client(), serve("calm").client()
    began = time.monotonic()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(hub.url, FLOOD, HEAD)) for _ in range(300)]
        slow += [stack.enter_context(connect(hub.url, FLOOD)) for _ in range(100)]
        idle = [stack.enter_context(connect(hub.url, FLOOD, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")) for _ in range(100)]
        for each in idle:
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
        times: tuple[list[float], list[float]] = ([], [])
        while time.monotonic() - began < SOON_S - 2:
            for each in slow[:300]:
                each.send(b"x")
            for client, its_times in zip(clients, times, strict=True):
                its_times.append(took_s(partial(client.get, "/v2/")))
            time.sleep(1)
        crowded_s, calm_s = map(median, times)
        assert crowded_s < calm_s * 5 + 0.02, "nobody notices that they are there"
        assert all(is_open(each) for each in (*slow, *idle))
        # From now on nothing trickles: half a minute after the last byte would be too late.
        until(lambda: not any(is_open(each) for each in (*slow, *idle)), began + 2 * SOON_S - time.monotonic())


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
