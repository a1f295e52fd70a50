"""A thin HTTP client that changes nothing on the way, and one that sends exact bytes."""

import contextlib
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import urllib3

_LIMIT_S: Final = 60.0
Body = bytes | str | IO[bytes] | Iterable[bytes] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whole and undecoded."""

    status: int
    headers: urllib3.HTTPHeaderDict
    content: bytes

    @property
    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.content)

    @property
    def error_code(self) -> str:
        """Return the code of the first error in an OCI error body, empty if it is none."""
        try:
            return str(self.json["errors"][0]["code"])
        except (ValueError, KeyError, IndexError, TypeError):
            return ""


class Client:
    """Speaks with one server: keeps connections alive, follows no redirect, tries nothing twice, decodes nothing.

    `source` is the address that it comes from: loopback has many.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        limit_s: float = _LIMIT_S,
        trusts: Path | None = None,
        source: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.headers = dict(headers or {})
        options: dict[str, Any] = {
            "timeout": limit_s,
            "retries": False,
            "maxsize": 8,
            "source_address": (source, 0) if source else None,
        }
        self._pool: urllib3.HTTPConnectionPool
        if parts.scheme == "https":
            self._pool = urllib3.HTTPSConnectionPool(*self.address, **options, ca_certs=str(trusts), cert_reqs="CERT_REQUIRED")
        else:
            self._pool = urllib3.HTTPConnectionPool(*self.address, **options)

    def request(self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read the whole answer; a connection that breaks raises an OSError."""
        try:
            answer = self._pool.urlopen(
                method,
                path,
                body=body,
                headers={**self.headers, **(headers or {})},
                redirect=False,
                retries=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise OSError(f"{method} {path}: {error}") from error
        return Answer(answer.status, answer.headers, answer.data)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send GET."""
        return self.request("GET", path, headers=headers)

    def head(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send HEAD."""
        return self.request("HEAD", path, headers=headers)

    def put(self, path: str, *, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send PUT, with `Content-Length: 0` if there is no body."""
        return self.request("PUT", path, body=body, headers=headers)

    def post(self, path: str, *, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send POST, with `Content-Length: 0` if there is no body."""
        return self.request("POST", path, body=body, headers=headers)

    def patch(self, path: str, *, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send PATCH."""
        return self.request("PATCH", path, body=body, headers=headers)

    def delete(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send DELETE."""
        return self.request("DELETE", path, headers=headers)

    def raw(self, sent: bytes, *, limit_s: float = 10.0) -> bytes:
        """Send exactly these bytes on a new connection and return what comes until the server closes or falls silent."""
        return exchange(self.address, sent, limit_s=limit_s)


def exchange(address: tuple[str, int], sent: bytes, *, limit_s: float = 10.0) -> bytes:
    """Send exact bytes to an address and return all that comes back; silence for `limit_s` ends the wait."""
    received = bytearray()
    with socket.create_connection(address, limit_s) as connection:
        # A server that refuses may close before it has read everything; what it said before still counts.
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.sendall(sent)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while part := connection.recv(65_536):
                received += part
    return bytes(received)
