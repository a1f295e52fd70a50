"""A request is refused while its body is still on its way: the answer is heard, and a small body costs no connection."""

import socket
from collections.abc import Callable
from typing import Final

import pytest

from support.instance import Instance

HEAD: Final = "PUT /v2/team/app/manifests/sha256:short HTTP/1.1\r\nHost: localhost\r\n"
NEXT: Final = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
MIB: Final = 1 << 20


@pytest.fixture
def connection(serve: Callable[..., Instance]) -> socket.socket:
    return socket.create_connection(("127.0.0.1", serve().port), 10)


def answered(connection: socket.socket) -> bytes:
    """Return the status line of the next answer, of which all is read."""
    with connection.makefile("rb") as file:
        status = file.readline()
        length = 0
        while (line := file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert len(file.read(length)) == length
    return status.rstrip()


@pytest.mark.parametrize("size", [400, 2 * MIB])
def test_a_body_after_the_answer_leaves_the_connection_to_the_next_request(connection: socket.socket, size: int) -> None:
    with connection:
        connection.sendall(f"{HEAD}Content-Length: {size}\r\n\r\n".encode())
        assert answered(connection) == b"HTTP/1.1 400 Bad Request"
        connection.sendall(b"x" * size)
        connection.sendall(NEXT)
        assert answered(connection) == b"HTTP/1.1 200 OK"


def test_a_chunked_body_after_the_answer_leaves_it_too(connection: socket.socket) -> None:
    with connection:
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        assert answered(connection) == b"HTTP/1.1 400 Bad Request"
        connection.sendall(b"4\r\n{}{}\r\n0\r\n\r\n" + NEXT)
        assert answered(connection) == b"HTTP/1.1 200 OK"


def test_who_sends_on_and_on_is_left(connection: socket.socket) -> None:
    with connection:
        connection.sendall(f"{HEAD}Content-Length: {100 * MIB}\r\n\r\n".encode())
        assert answered(connection) == b"HTTP/1.1 400 Bad Request"
        with pytest.raises(ConnectionError):
            connection.sendall(bytes(100 * MIB))


def test_who_never_sends_the_body_is_left(connection: socket.socket) -> None:
    with connection:
        connection.sendall(f"{HEAD}Content-Length: 400\r\n\r\n".encode())
        assert answered(connection) == b"HTTP/1.1 400 Bad Request"
        assert connection.recv(1) == b""  # within the connection's 10 seconds


def test_who_asked_whether_to_send_is_not_told_to(connection: socket.socket) -> None:
    with connection:
        connection.sendall(f"{HEAD}Content-Length: 400\r\nExpect: 100-continue\r\n\r\n".encode())
        assert answered(connection) == b"HTTP/1.1 400 Bad Request"
        assert connection.recv(1) == b""
