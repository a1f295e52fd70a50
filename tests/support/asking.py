"""The questions of a storm's client: what comes back is compared with what the client knows, and the last requests are kept."""

import time
from collections import Counter, deque
from typing import Final

from support import images
from support.http import Answer, Client
from support.shelves import Shelf

_SHOWN: Final = 40


class Wrong(AssertionError):
    """The registry broke a promise."""


class Asker:
    """Sends requests, counts them, and looks whether repositories are as their only writer knows them."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.done: Counter[str] = Counter()
        self._client = Client(url, limit_s=60)
        self._last: deque[str] = deque(maxlen=_SHOWN)

    def _whole(self, shelf: Shelf, reference: str, digest: str) -> None:
        """Pull all that belongs to a manifest, and compare."""
        kept = shelf.manifests[digest]
        found, _ = self._ask("GET", f"/v2/{shelf.name}/manifests/{reference}", (200,))
        if found.content != kept.body:
            self._wrong(f"{shelf.name}:{reference} has other bytes")
        for blob in kept.blobs:
            answer, _ = self._ask("GET", f"/v2/{shelf.name}/blobs/{images.sha256(blob)}", (200,))
            if answer.content != blob:
                self._wrong(f"{shelf.name}@{images.sha256(blob)} has other bytes")
        for child in kept.children:
            if child in shelf.manifests:
                self._whole(shelf, child, child)
        self._check_referrers(shelf, digest)

    def _check_referrers(self, shelf: Shelf, digest: str) -> None:
        answer, _ = self._ask("GET", f"/v2/{shelf.name}/referrers/{digest}", (200,))
        found = {each["digest"] for each in answer.json["manifests"]}
        if found != shelf.referrers(digest):
            self._wrong(f"{shelf.name}@{digest} has the referrers {found}, expected {shelf.referrers(digest)}")

    def _absent(self, shelf: Shelf) -> None:
        """Look for what was deleted."""
        for reference in (*list(shelf.gone)[-5:], *list(shelf.gone_tags)[-5:]):
            self._ask("GET", f"/v2/{shelf.name}/manifests/{reference}", (404,))
        if shelf.manifests:
            answer, _ = self._ask("GET", f"/v2/{shelf.name}/tags/list?n=1000", (200,))
            if answer.json["tags"] != sorted(shelf.tags):
                self._wrong(f"{shelf.name} lists the tags {answer.json['tags']}, expected {sorted(shelf.tags)}")

    def _ask(
        self, method: str, path: str, expected: tuple[int, ...], body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[Answer, float]:
        """Send a request and return its answer, and when it was sent."""
        sent = time.monotonic()
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        answer = self._client.request(method, path, body=body, headers=headers)
        self._last.append(f"{sent:.3f}+{time.monotonic() - sent:.3f} {method} {path} {answer.status}")
        self.done["requests"] += 1
        if answer.status not in expected:
            self._wrong(f"{method} {path} answered {answer.status}, expected {expected}: {answer.content[:300]!r}")
        return answer, sent

    def _wrong(self, what: str) -> None:
        raise Wrong("\n".join([f"{self.name}, {time.monotonic():.3f}: {what}", "its last requests:", *self._last]))
