"""Clients that want too much of a worker's memory or time: headers, answers that nobody takes, bodies that do not come."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import images
from support.instance import Instance
from support.processes import descendants

MIB = 1 << 20


@pytest.fixture
def one(serve: Callable[..., Instance]) -> Instance:
    """An instance of a single worker."""
    return serve(workers=1, log_level="info")


def resident_bytes(instance: Instance) -> int:
    """Return the memory of the largest process: the worker's."""
    statuses = [Path(f"/proc/{pid}/status").read_text("ascii") for pid in descendants(instance.pid)]
    return max(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) * 1024


def connection(instance: Instance, head: str) -> socket.socket:
    """Send the head of a request on a connection of its own, which takes little."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    made.connect(("127.0.0.1", instance.port))
    made.sendall(f"{head}\r\nHost: localhost\r\n".encode())
    return made


def test_large_headers_are_refused_and_leave_nothing_behind(one: Instance) -> None:
    client = one.client()
    before = 0
    for number in range(120):
        if number == 20:  # by then the server has taken what one connection with such headers needs
            before = resident_bytes(one)
        for name, value in (("Host", f"[::1%{number}{'a' * MIB}]"), ("Range", "bytes=" + " " * MIB + "-x")):
            answer = client.get("/v2/", headers={name: value})
            assert answer.status in (403, 431)
    assert resident_bytes(one) - before < 40 * MIB


def test_answers_that_nobody_takes_share_a_bounded_memory(one: Instance) -> None:
    content = os.urandom(MIB) * 32
    images.push_blob(one.client(), "slow/one", images.blob(images.LAYER, content))
    path = f"/v2/slow/one/blobs/{images.sha256(content)}"
    assert one.client().get(path).content == content
    before = resident_bytes(one)
    with ExitStack() as held:
        for _ in range(60):
            held.enter_context(connection(one, f"GET {path} HTTP/1.1")).sendall(b"\r\n")
        time.sleep(3)
        assert resident_bytes(one) - before < 260 * MIB
        assert one.client().get(path).content == content, "others are served"


def test_manifests_that_do_not_come_share_a_bounded_memory_and_small_ones_need_none(one: Instance) -> None:
    client = one.client()
    before = resident_bytes(one)
    with ExitStack() as held:
        answers = []
        for number in range(30):
            each = held.enter_context(connection(one, f"PUT /v2/team/app/manifests/v{number} HTTP/1.1"))
            each.sendall(f"Content-Type: {images.MANIFEST}\r\nContent-Length: {4 * MIB}\r\n\r\n".encode())
            each.sendall(b"{" + b" " * (MIB // 2))
            answers.append(each)
        time.sleep(2)
        refused = 0
        for each in answers:
            each.settimeout(0.1)
            try:
                refused += each.recv(12).startswith(b"HTTP/1.1 503")
            except TimeoutError:
                continue
        assert refused == 30 - 16
        assert resident_bytes(one) - before < 120 * MIB
        small = client.put("/v2/team/app/manifests/small", body=b"{}", headers={"Content-Type": images.MANIFEST})
        assert small.status == 400, "it is read, and refused for what it says"
    large = b"{" + b" " * (MIB // 2) + b"}"
    for _ in range(50):
        time.sleep(0.1)
        answer = client.put("/v2/team/app/manifests/large", body=large, headers={"Content-Type": images.MANIFEST})
        if answer.status != 503:
            break
    assert answer.status == 400, "what the others held is free again"


@pytest.mark.long
def test_a_client_that_takes_nothing_is_left(one: Instance) -> None:
    content = os.urandom(MIB) * 32
    images.push_blob(one.client(), "slow/one", images.blob(images.LAYER, content))
    with connection(one, f"GET /v2/slow/one/blobs/{images.sha256(content)} HTTP/1.1") as stalled:
        stalled.sendall(b"\r\n")
        time.sleep(310)
        received = 0
        stalled.settimeout(20)
        try:
            while part := stalled.recv(MIB):
                received += len(part)
        except ConnectionError:
            pass
        assert received < len(content)
