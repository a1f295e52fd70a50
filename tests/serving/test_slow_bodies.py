"""Bodies that hardly come: they end after a stated time, and an upload keeps what it was sent.

The times are minutes, so most of these run on a copy of the sources in which they are seconds, and nothing else is changed.
"""

import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from support import images
from support.instance import Instance
from support.sources import Sources
from support.wire import Repository, digest_of

SILENCE_S: Final = 1.5
LIMIT_S: Final = 30.0  # far below the minutes of the sources as they are, and far above any delay of a busy machine
SHORTER: Final = {
    "_SILENCE_S: Final = 60.0": f"_SILENCE_S: Final = {SILENCE_S}",
    "_LOOKED_AT_EVERY_S: Final = 120.0": "_LOOKED_AT_EVERY_S: Final = 2.0",
    "_LEAST_BYTES: Final = 60 << 10": "_LEAST_BYTES: Final = 1000",
    "IN_MEMORY_S: Final = 300.0": "IN_MEMORY_S: Final = 3.0",
}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that loses its patience in seconds."""
    folder = tmp_path_factory.mktemp("hasty")
    sources = Sources(folder)
    for before, after in SHORTER.items():
        sources.change("web/shared/pace.py", before, after)
    with Instance(folder / "data", environment=sources.environment()) as instance:
        yield instance


@pytest.fixture
def repo(hasty: Instance, repository: str) -> Repository:
    """A repository on that instance."""
    return Repository(hasty.client(), repository)


def begun(address: tuple[str, int], target: str, *headers: str, body: bytes = b"") -> socket.socket:
    """Send a request's head and the first bytes of its body."""
    made = socket.create_connection(address, LIMIT_S)
    lines = [f"{target} HTTP/1.1", "Host: localhost", *headers, "", ""]
    made.sendall("\r\n".join(lines).encode() + body)
    return made


def answered(connection: socket.socket) -> bytes:
    """Return what is answered until the connection is closed."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionError:
        pass  # what is sent to a closed connection resets it
    return received


def trickled(connection: socket.socket, piece: bytes, every_s: float, at_most_s: float = LIMIT_S) -> tuple[bytes, float]:
    """Send pieces until something is answered; return the answer and after how long it came."""
    began = time.monotonic()
    connection.settimeout(every_s)
    while time.monotonic() - began < at_most_s:
        connection.sendall(piece)
        try:
            first = connection.recv(1)
        except TimeoutError:
            continue
        return first + answered(connection), time.monotonic() - began
    return b"", time.monotonic() - began


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_body_that_falls_silent_ends_and_the_upload_keeps_what_came(repo: Repository, method: str) -> None:
    location = repo.begin()
    assert repo.client.patch(location, body=b"ab").status == 202
    query = f"?digest={digest_of(b'abcdef')}" if method == "PUT" else ""
    began = time.monotonic()
    with begun(repo.client.address, f"{method} {location}{query}", "Content-Length: 4", body=b"cd") as silent:
        answer = answered(silent)
    assert time.monotonic() - began >= SILENCE_S
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"BLOB_UPLOAD_INVALID" in answer
    assert b"the body brought 0 bytes in 2 seconds, which is too slow" in answer
    kept = 4 if method == "PATCH" else 2
    assert repo.client.get(location).headers["Range"] == f"0-{kept - 1}"
    assert repo.finish(location, digest_of(b"abcdef"), b"abcdef"[kept:]).status == 201


def test_a_body_that_trickles_ends_and_the_upload_keeps_what_came(repo: Repository) -> None:
    location = repo.begin()
    with begun(repo.client.address, f"PATCH {location}", "Content-Length: 1000000") as slow:
        answer, took_s = trickled(slow, b"x", 0.2)
    assert took_s >= 2
    assert answer.startswith(b"HTTP/1.1 408 ")
    told = re.search(rb"the body brought (\d+) bytes in 2 seconds", answer)
    assert told is not None
    assert repo.client.get(location).headers["Range"] == f"0-{int(told[1]) - 1}"
    assert 1 <= int(told[1]) <= took_s / 0.2 + 1, "no more than was sent"


def test_a_slow_body_that_keeps_the_pace_is_waited_for(repo: Repository) -> None:
    location = repo.begin()
    with begun(repo.client.address, f"PATCH {location}", "Content-Length: 100000") as slow:
        answer, took_s = trickled(slow, b"x" * 1000, 0.2, 5)
        assert (answer, took_s > 5) == (b"", True)
        slow.sendall(b"x" * 100_000)
        slow.settimeout(10)
        assert slow.recv(12) == b"HTTP/1.1 202"


def test_a_body_kept_in_memory_has_a_time_for_all_of_it(repo: Repository) -> None:
    headers = (f"Content-Type: {images.MANIFEST}", "Content-Length: 1000000")
    with begun(repo.client.address, f"PUT {repo.at('manifests/v1')}", *headers) as slow:
        answer, took_s = trickled(slow, b" " * 500, 0.2)
    assert took_s >= 3
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_who_asks_whether_to_send_a_body_and_never_sends_it_is_left(repo: Repository) -> None:
    with begun(repo.client.address, f"PATCH {repo.begin()}", "Content-Length: 4", "Expect: 100-continue") as silent:
        answer = answered(silent)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ")


@pytest.mark.long
def test_a_body_that_falls_silent_is_waited_for_a_minute(serve: Callable[..., Instance]) -> None:
    repo = Repository(serve().client(), "team/app")
    location = repo.begin()
    began = time.monotonic()
    with begun(repo.client.address, f"PATCH {location}", "Content-Length: 4", body=b"cd") as silent:
        silent.settimeout(90)
        assert answered(silent).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began >= 60
    assert repo.client.get(location).headers["Range"] == "0-1"
