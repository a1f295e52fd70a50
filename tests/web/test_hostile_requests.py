"""Requests that no honest client sends, byte by byte: what is answered, and that nobody is led to take one for another.

The server beneath refuses with an empty body what is not HTTP; everything that is gets an answer of the registry's own.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from support.http import Client
from support.instance import Instance
from support.wire import Repository, digest_of

LOCAL: Final = b"Host: localhost\r\nConnection: close\r\n"
PING: Final = b"GET /v2/ HTTP/1.1\r\n"
PUT: Final = b"PUT /v2/team/app/manifests/v1 HTTP/1.1\r\n" + LOCAL
CHUNKED: Final = PUT + b"Transfer-Encoding: chunked\r\n"
NOT_HTTP: Final = ""  # no body: the server beneath has refused it
KIB: Final = 1 << 10
MIB: Final = 1 << 20
INTERRUPTED: Final = "BLOB_UPLOAD_INVALID the connection broke off"
UNREADABLE: Final = "MANIFEST_INVALID the manifest is not valid"
NO_MANIFEST: Final = f"{UNREADABLE}: it has no mediaType"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance is enough: no request here gets as far as the database."""
    with Instance(tmp_path_factory.mktemp("hostile") / "data") as instance:
        yield instance


def answers(client: Client, sent: bytes) -> list[tuple[int, str]]:
    """Send bytes; return each answer's status, and the code and message of its error."""
    received = client.raw(sent, limit_s=3)
    found = []
    for part in re.split(rb"(?=HTTP/1\.[01] \d{3} )", received)[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        told = ""
        if body.startswith(b'{"errors"'):
            error = json.loads(body)["errors"][0]
            told = f"{error['code']} {error['message']}"
        elif body:
            told = body.decode()
        found.append((int(head.split()[1]), told))
    return found


FRAMING: Final[dict[str, tuple[bytes, int, str]]] = {
    "two lengths": (PUT + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400, NOT_HTTP),
    "the same length twice": (PUT + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, NO_MANIFEST),
    "a list of lengths": (PUT + b"Content-Length: 2, 2\r\n\r\n{}", 400, NOT_HTTP),
    "a length with a plus": (PUT + b"Content-Length: +2\r\n\r\n{}", 400, NOT_HTTP),
    "a negative length": (PUT + b"Content-Length: -2\r\n\r\n{}", 400, NOT_HTTP),
    "a hexadecimal length": (PUT + b"Content-Length: 0x2\r\n\r\n{}", 400, NOT_HTTP),
    "a length with a fraction": (PUT + b"Content-Length: 2.0\r\n\r\n{}", 400, NOT_HTTP),
    "an empty length": (PUT + b"Content-Length: \r\n\r\n{}", 400, NOT_HTTP),
    "a length of 24 digits": (PUT + b"Content-Length: 999999999999999999999999\r\n\r\n{}", 400, NOT_HTTP),
    "a length of 2^64-1": (PUT + b"Content-Length: 18446744073709551615\r\n\r\n{}", 431, NOT_HTTP),
    "a length of 2^63": (PUT + b"Content-Length: 9223372036854775808\r\n\r\n{}", 413, "SIZE_INVALID the body is larger"),
    "a coding that is unknown": (PUT + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, NOT_HTTP),
    "a coding after chunked": (PUT + b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, NOT_HTTP),
    "a space before the colon": (PUT + b"Transfer-Encoding : chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, NOT_HTTP),
    "a folded header": (PING + LOCAL + b"X: a\r\n b\r\n\r\n", 400, NOT_HTTP),
    "a chunk whose size is none": (CHUNKED + b"\r\nxyz\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "a chunk of negative size": (CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "a chunk with 0x": (CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "a chunk larger than 64 bits": (CHUNKED + b"\r\nfffffffffffffffff2\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "a chunk without its end": (CHUNKED + b"\r\n1\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "a chunk extension of 1 MiB": (CHUNKED + b"\r\n2;" + b"x" * MIB + b"\r\n{}\r\n0\r\n\r\n", 400, INTERRUPTED),
    "many small extensions": (CHUNKED + b"\r\n" + b"1;aaaaaaaaaaaaaaa\r\n \r\n" * 3000 + b"0\r\n\r\n", 400, INTERRUPTED),
    "a trailer of 1 MiB": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX: " + b"x" * MIB + b"\r\n\r\n", 400, INTERRUPTED),
}
LINES: Final[dict[str, tuple[bytes, int, str]]] = {
    "headers of 10 MB": (PING + LOCAL + b"X: " + b"a" * (10 * MIB) + b"\r\n\r\n", 431, NOT_HTTP),
    "headers of 1 MiB": (PING + LOCAL + b"X: " + b"a" * MIB + b"\r\n\r\n", 431, "UNSUPPORTED the request's headers have 1048"),
    "10,000 headers": (PING + LOCAL + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)) + b"\r\n", 431, NOT_HTTP),
    "an address without end": (b"GET /" + b"a" * (10 * MIB), 431, NOT_HTTP),
    "an address of 40 KiB": (
        b"GET /v2/" + b"a" * 40 * KIB + b" HTTP/1.1\r\n" + LOCAL + b"\r\n",
        414,
        "UNSUPPORTED the request",
    ),
    "an address of 70 KiB": (b"GET /" + b"a" * 70 * KIB + b" HTTP/1.1\r\n" + LOCAL + b"\r\n", 414, NOT_HTTP),
    "a NUL in a header": (PING + LOCAL + b"X: a\0b\r\n\r\n", 400, NOT_HTTP),
    "a NUL in the address": (b"GET /v2/\0 HTTP/1.1\r\n" + LOCAL + b"\r\n", 400, NOT_HTTP),
    "a bare CR in a header": (PING + LOCAL + b"X: a\rb\r\n\r\n", 400, NOT_HTTP),
    "HTTP/0.9": (b"GET /v2/\r\n\r\n", 400, NOT_HTTP),
    "HTTP/1.0": (b"GET /v2/ HTTP/1.0\r\nHost: localhost\r\n\r\n", 403, "DENIED this registry is open"),
    "HTTP/3.7": (b"GET /v2/ HTTP/3.7\r\n" + LOCAL + b"\r\n", 400, NOT_HTTP),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400, NOT_HTTP),
    "an upgrade to HTTP/2": (
        PING + b"Host: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        200,
        "{}",
    ),
    "an upgrade to WebSocket": (
        PING
        + b"Host: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        200,
        "{}",
    ),
    "CONNECT to elsewhere": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + LOCAL + b"\r\n", 404, "There is nothing here"),
    "CONNECT": (b"CONNECT /v2/ HTTP/1.1\r\n" + LOCAL + b"\r\n", 405, "UNSUPPORTED CONNECT is not supported here"),
    "TRACE": (b"TRACE /v2/ HTTP/1.1\r\n" + LOCAL + b"Cookie: secret\r\n\r\n", 405, "UNSUPPORTED TRACE is not supported here"),
    "a method in lower case": (b"get /v2/ HTTP/1.1\r\n" + LOCAL + b"\r\n", 405, "UNSUPPORTED get is not supported here"),
    "a method of 10 KiB": (b"A" * 10 * KIB + b" /v2/ HTTP/1.1\r\n" + LOCAL + b"\r\n", 405, "UNSUPPORTED AAAAAAAA"),
    "a method that is no word": (b"G(T /v2/ HTTP/1.1\r\n" + LOCAL + b"\r\n", 400, NOT_HTTP),
    "all of the server": (b"OPTIONS * HTTP/1.1\r\n" + LOCAL + b"\r\n", 404, "There is nothing here"),
    "an expectation that is none": (PUT + b"Content-Length: 2\r\nExpect: 200-ok\r\n\r\n{}", 400, NO_MANIFEST),
    "a script in a name": (b"GET /v2/<script>x</script>/tags/list HTTP/1.1\r\n" + LOCAL + b"\r\n", 400, NOT_HTTP),
    "a script in a tag": (
        b"GET /v2/a/manifests/%3Cscript%3E HTTP/1.1\r\n" + LOCAL + b"\r\n",
        400,
        "TAG_INVALID '<script>' is not a tag",
    ),
}
# An absolute address names a host beside Host. Of the two only Host is told to us: it counts, and the other opens nothing.
HOSTS: Final[dict[str, tuple[bytes, int, str]]] = {
    "another host in the address": (b"GET http://evil.example/v2/ HTTP/1.1\r\n" + LOCAL + b"\r\n", 200, "{}"),
    "another host beside the address": (
        b"GET http://localhost/v2/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        403,
        "DENIED this registry is open to everyone who reaches it, so it answers only as localhost",
    ),
    "another host in the address alone": (
        b"GET http://evil.example/v2/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        403,
        "DENIED this registry is open",
    ),
    "our host in the address alone": (b"GET http://localhost/v2/ HTTP/1.1\r\nConnection: close\r\n\r\n", 200, "{}"),
    "our name as a user of another host": (
        b"GET http://localhost@evil.example/v2/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        403,
        "DENIED this registry is open",
    ),
    "two hosts and one in the address": (
        b"GET http://evil.example/v2/ HTTP/1.1\r\n" + LOCAL + b"Host: evil.example\r\n\r\n",
        400,
        "UNSUPPORTED the request has more than one Host",
    ),
    "no host": (PING + b"Connection: close\r\n\r\n", 403, "DENIED this registry is open"),
}


@pytest.mark.parametrize("case", [*FRAMING, *LINES, *HOSTS])
def test_a_hostile_request_gets_this_answer_and_no_other(hub: Instance, case: str) -> None:
    sent, status, told = {**FRAMING, **LINES, **HOSTS}[case]
    found = answers(hub.client(), sent)
    assert [each[0] for each in found] == [status]
    assert found[0][1].startswith(told) if told else found[0][1] == ""
    assert hub.client().get("/v2/").status == 200


SECOND: Final = b"DELETE /v2/team/victim/manifests/v1 HTTP/1.1\r\n" + LOCAL + b"\r\n"
CHUNKED_SECOND: Final = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SECOND), SECOND)
KEPT: Final = b"PUT /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED: Final[dict[str, bytes]] = {
    "a length and chunks": KEPT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "chunks and a length": KEPT + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
    "a length that covers it": KEPT + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND,
    "a chunk that covers it": KEPT + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED_SECOND,
    "two lengths": KEPT + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND,
    "a coding with a space": KEPT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a coding that is almost chunked": KEPT + b"Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n" + SECOND,
    "a coding that is folded": KEPT + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a size with a plus": KEPT + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + SECOND,
    "an end by CR": KEPT + b"Content-Length: 0\r\r\n" + SECOND,
    "HTTP/1.0 and chunks": b"PUT /v2/a/manifests/v1 HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SECOND,
    "a GET with a body": b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND,
    "a body that is too large": KEPT + b"Content-Length: 99999999\r\n\r\n" + SECOND,
    "a refused host": b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nHost: evil\r\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND,
}


@pytest.mark.parametrize("shape", SMUGGLED)
def test_what_lies_inside_a_request_is_never_taken_for_a_second_one(hub: Instance, shape: str) -> None:
    repo = Repository(hub.client(), "team/victim")
    content = repo.image("v1")
    found = answers(hub.client(), SMUGGLED[shape])
    assert len(found) == 1, found
    assert repo.client.get(repo.at("manifests/v1")).content == content


def test_requests_that_follow_one_another_on_a_connection_are_all_answered(hub: Instance) -> None:
    body = KEPT + b"Content-Length: 2\r\n\r\n{}"
    assert [status for status, _ in answers(hub.client(), body + body + PING + LOCAL + b"\r\n")] == [400, 400, 200]


def test_a_body_shorter_than_announced_is_no_blob(hub: Instance) -> None:
    repo = Repository(hub.client(), "team/short")
    head = f"PUT {repo.begin()}?digest={digest_of(b'ab')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
    assert answers(hub.client(), head.encode() + b"ab") == [], "it is waited for"
    assert not repo.has_blob(digest_of(b"ab"))


def test_nothing_is_said_to_http_2(hub: Instance) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    assert hub.client().raw(preface, limit_s=3) == b""
