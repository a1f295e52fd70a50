"""The cheapest client that speaks the registry's protocol: one kept connection, bodies sent by the kernel from a file."""

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from bench.failure import BenchmarkFailed
from bench.images import MANIFEST_TYPE, Manifest, Payload, digest_of

_TIMEOUT_S: Final = 300
_ACCEPTED: Final = 202
_CREATED: Final = 201
_OK: Final = 200
_SHOWN: Final = 300
_PIECE_BYTES: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def expect(self, *statuses: int) -> "Answer":
        """Return itself.

        Raises:
            BenchmarkFailed: the status is none of those.
        """
        if self.status not in statuses:
            raise BenchmarkFailed(f"answered {self.status} where {statuses} was expected: {self.body[:_SHOWN]!r}")
        return self

    @property
    def digest(self) -> str:
        """The digest of the body, which is also what a registry's header must say.

        Raises:
            BenchmarkFailed: the header says another.
        """
        computed = digest_of(self.body)
        if self.headers.get("docker-content-digest", computed) != computed:
            raise BenchmarkFailed(f"the body is {computed}, its header says {self.headers['docker-content-digest']}")
        return computed

    def must_be(self, digest: str) -> None:
        """Check the body.

        Raises:
            BenchmarkFailed: it is another one.
        """
        if self.digest != digest:
            raise BenchmarkFailed(f"answered {self.digest} where {digest} was pushed")


class Client:
    """One connection to a registry on the loopback address."""

    def __init__(self, port: int, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._piece = memoryview(bytearray(_PIECE_BYTES))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read the answer."""
        self._http.request(method, path, body=body or None, headers={"Content-Length": str(len(body))} | dict(headers or {}))
        return self._answer()

    def manifest(self, repository: str, reference: str) -> Answer:
        """Get a manifest by tag or digest."""
        return self.ask("GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": MANIFEST_TYPE})

    def push_manifest(self, repository: str, reference: str, manifest: Manifest, query: str = "") -> None:
        """Push a manifest under a tag or its digest."""
        path = f"/v2/{repository}/manifests/{reference}{query}"
        self.ask("PUT", path, manifest.content, {"Content-Type": MANIFEST_TYPE}).expect(_CREATED)

    def push_blob(self, repository: str, content: bytes) -> None:
        """Push a small blob: POST, then one PUT with all of it."""
        self.close_upload(self.begin_upload(repository), digest_of(content), content)

    def mount_blob(self, repository: str, content: bytes, source: str) -> None:
        """Link a blob from another repository, or push it where the server does not mount."""
        digest = digest_of(content)
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={quote(source, safe='')}").expect(
            _CREATED, _ACCEPTED
        )
        if answer.status == _ACCEPTED:
            self.close_upload(answer.headers["location"], digest, content)

    def stream_blob(self, repository: str, payload: Payload) -> None:
        """Push a large blob as POST, one streamed PATCH, PUT."""
        answer = self.send("PATCH", self.begin_upload(repository), payload).expect(_ACCEPTED)
        self.close_upload(answer.headers["location"], payload.digest, b"")

    def begin_upload(self, repository: str) -> str:
        """Begin an upload; return its location."""
        return self.ask("POST", f"/v2/{repository}/blobs/uploads/").expect(_ACCEPTED).headers["location"]

    def patch(self, location: str, content: bytes) -> str:
        """Add bytes to an upload; return its next location."""
        answer = self.ask("PATCH", _relative(location), content, {"Content-Type": "application/octet-stream"})
        return answer.expect(_ACCEPTED).headers["location"]

    def close_upload(self, location: str, digest: str, content: bytes) -> None:
        """Add the last bytes, if any, and make the upload a blob."""
        path = _relative(location, f"digest={digest}")
        self.ask("PUT", path, content, {"Content-Type": "application/octet-stream"}).expect(_CREATED)

    def send(self, method: str, location: str, payload: Payload, *, query: str = "") -> Answer:
        """Send a large body from its file."""
        self._http.putrequest(method, _relative(location, query))
        self._http.putheader("Content-Type", "application/octet-stream")
        self._http.putheader("Content-Length", str(payload.size_bytes))
        self._http.endheaders()
        with payload.base.open("rb") as file:
            self._http.sock.sendfile(file, 0, payload.base_bytes)
        self._http.sock.sendall(payload.tail)
        return self._answer()

    def drain(self, path: str, use: Callable[[memoryview], object] | None = None) -> int:
        """Get a body and throw it away, or let it be looked at piece by piece; return its length."""
        self._http.request("GET", path)
        response = self._http.getresponse()
        if response.status != _OK:
            raise BenchmarkFailed(f"answered {response.status} where a body was expected: {response.read(_SHOWN)!r}")
        size = 0
        while came := response.readinto(self._piece):
            size += came
            if use is not None:
                use(self._piece[:came])
        response.close()
        return size

    def _answer(self) -> Answer:
        response = self._http.getresponse()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@contextmanager
def connected(port: int, *, timeout_s: float = _TIMEOUT_S) -> Iterator[Client]:
    """Give a client that is closed at the end."""
    client = Client(port, timeout_s=timeout_s)
    try:
        yield client
    finally:
        client.close()


def answers(port: int, path: str, *, accept: str = MANIFEST_TYPE) -> bool:
    """Tell whether a GET of the path on a fresh connection is answered 200."""
    try:
        with connected(port, timeout_s=5) as client:
            return client.ask("GET", path, headers={"Accept": accept}).status == _OK
    except (OSError, http.client.HTTPException):
        return False


def _relative(location: str, query: str = "") -> str:
    """Return an address on this server as it was given, with one more parameter."""
    parts = urlsplit(location)
    whole = "&".join(part for part in (parts.query, query) if part)
    return f"{parts.path}?{whole}" if whole else parts.path
