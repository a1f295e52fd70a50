"""Clients that push without end, by every flow of the specification, and remember what was acknowledged to them.

What they were told is a promise: `Ledger.check` asks for all of it again. What was sent and not answered may have happened or
not, which matters for tags alone: there the last promise or any later try may be found.
"""

import hashlib
import json
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from support import images
from support.http import Answer, Body, Client

_REPOSITORIES: Final = ("crash/one", "crash/two", "crash/three")
_SIZES: Final = (1, 700, 30_000, 300_000, 2_500_000)
_LEAST_IN_PIECES: Final = 100
_CREATED: Final = 201
_PATIENCE_S: Final = 0.02


@dataclass
class Unfinished:
    """An upload that was broken off: `received` bytes of it were acknowledged."""

    repository: str
    place: str
    content: bytes
    received: int


@dataclass
class Ledger:
    """What was acknowledged, to all clients together."""

    blobs: set[tuple[str, str]] = field(default_factory=set)
    manifests: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    unfinished: list[Unfinished] = field(default_factory=list)
    resumed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, client: Client, blobs: set[tuple[str, str]], manifests: set[tuple[str, str]]) -> None:
        """Pull these and every tag, and compare."""
        for repository, digest in blobs:
            pull(client, f"/v2/{repository}/blobs/{digest}", digest)
        for repository, digest in manifests:
            pull(client, f"/v2/{repository}/manifests/{digest}", digest)
        for (repository, tag), candidates in self.tags.items():
            found = client.get(f"/v2/{repository}/manifests/{tag}")
            assert found.status == 200 or candidates[0] == "", f"{repository}:{tag} was acknowledged and is gone: {found.status}"
            if found.status == 200:
                assert images.sha256(found.content) in candidates, f"{repository}:{tag} moved to what nobody pushed last"
                candidates[:] = [images.sha256(found.content)]


class GoneClient(Client):
    """Takes "not available at the moment" for what it is: the server, or the one that a balancer chose, has gone away."""

    def request(self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        answer = super().request(method, path, body=body, headers=headers)
        if answer.status in (502, 503):
            raise OSError(f"{method} {path}: it is unavailable")
        return answer


class Pusher(threading.Thread):
    """One client; it ends when its server does, unless it is patient, or when `stop` is set."""

    def __init__(
        self, url: str, ledger: Ledger, number: int, seed: int, *, patient: bool = False, trusts: Path | None = None
    ) -> None:
        super().__init__(name=f"pusher {number}", daemon=True)
        self._patient = patient
        self._client = GoneClient(url, limit_s=20, trusts=trusts)
        self._ledger = ledger
        self._tag = f"tag-{number}"
        self._random = random.Random(seed)
        self.stop = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Push until told to end, or until the server goes away."""
        try:
            while not self.stop.is_set():
                self._act()
        except BaseException as error:  # noqa: BLE001 - shown by the test, which waits in another thread
            self.error = error

    def _act(self) -> None:
        try:
            self._resume()
            self._image()
        except OSError:
            if not self._patient:
                self.stop.set()
            time.sleep(_PATIENCE_S)

    def _resume(self) -> None:
        with self._ledger.lock:
            left = self._ledger.unfinished.pop() if self._ledger.unfinished else None
        if left is None:
            return
        status = self._client.get(left.place)
        digest = images.sha256(left.content)
        if status.status == 404:
            # It ended before the crash without our hearing of it, or else a promise was broken.
            assert self._client.head(f"/v2/{left.repository}/blobs/{digest}").status == 200, f"{left.place} is gone"
            return
        assert status.status == 204, status
        there = int(status.headers["range"].split("-")[1]) + 1
        there = 0 if there == 1 else there  # `0-0` is also said of none, and no client here begins with one byte
        assert there >= left.received, f"{left.place} has {there} bytes, {left.received} were acknowledged"
        done = self._client.put(f"{left.place}?digest={digest}", body=left.content[there:])
        if done.error_code == "BLOB_UPLOAD_INVALID":
            # The crash came after the bytes had got their name and before they were recorded: nobody was told of them.
            done = self._at_once(left.repository, left.content, digest)
        self._acknowledged_blob(done, left.repository, digest)
        with self._ledger.lock:
            self._ledger.resumed += 1

    def _image(self) -> None:
        repository = self._random.choice(_REPOSITORIES)
        parts = [self._random.randbytes(self._random.choice(_SIZES)) for _ in range(self._random.randint(1, 3))]
        for content in parts:
            self._blob(repository, content)
        config, *layers = [images.blob(images.LAYER, content).descriptor for content in parts]
        body = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFEST, "config": config, "layers": layers}).encode()
        digest = images.sha256(body)
        with self._ledger.lock:
            self._ledger.tags.setdefault((repository, self._tag), [""]).append(digest)
        done = self._client.put(f"/v2/{repository}/manifests/{self._tag}", body=body, headers={"content-type": images.MANIFEST})
        _accepted(done, digest)
        with self._ledger.lock:
            self._ledger.manifests.add((repository, digest))
            self._ledger.tags[repository, self._tag] = [digest]

    def _blob(self, repository: str, content: bytes) -> None:
        digest = images.sha256(content)
        flow = self._random.choice((self._at_once, self._in_two, self._in_pieces, self._by_mount))
        self._acknowledged_blob(flow(repository, content, digest), repository, digest)

    def _at_once(self, repository: str, content: bytes, digest: str) -> Answer:
        return self._client.post(f"/v2/{repository}/blobs/uploads/?digest={digest}", body=content)

    def _in_two(self, repository: str, content: bytes, digest: str) -> Answer:
        begun = self._client.post(f"/v2/{repository}/blobs/uploads/")
        return self._client.put(f"{begun.headers['location']}?digest={digest}", body=content)

    def _in_pieces(self, repository: str, content: bytes, digest: str) -> Answer:
        if len(content) < _LEAST_IN_PIECES:
            return self._in_two(repository, content, digest)
        place = self._client.post(f"/v2/{repository}/blobs/uploads/").headers["location"]
        left = Unfinished(repository, place, content, 0)
        cuts = sorted(self._random.sample(range(2, len(content)), 2))
        try:
            for first, last in zip([0, *cuts], [*cuts, len(content)], strict=True):
                if first != last:
                    headers = {"content-range": f"{first}-{last - 1}"} if self._random.random() < 0.5 else {}
                    done = self._client.patch(place, body=content[first:last], headers=headers)
                    assert done.status == 202, done
                    left.received = last
            return self._client.put(f"{place}?digest={digest}")
        except OSError:
            with self._ledger.lock:
                self._ledger.unfinished.append(left)
            raise

    def _by_mount(self, repository: str, content: bytes, digest: str) -> Answer:
        source = self._random.choice(_REPOSITORIES)
        self._acknowledged_blob(self._at_once(source, content, digest), source, digest)
        return self._client.post(f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}")

    def _acknowledged_blob(self, done: Answer, repository: str, digest: str) -> None:
        _accepted(done, digest)
        with self._ledger.lock:
            self._ledger.blobs.add((repository, digest))


def pull(client: Client, path: str, digest: str) -> Answer:
    """Get what was acknowledged and compare its bytes with its digest."""
    answer = client.get(path)
    assert answer.status == 200, f"{path} was acknowledged and answers {answer.status}: {answer.content[:300]!r}"
    algorithm, _, wanted = digest.partition(":")
    assert hashlib.new(algorithm, answer.content).hexdigest() == wanted, f"{path} has other bytes"
    return answer


def pull_every_tag(client: Client) -> int:
    """Pull everything that is listed, whole; return how many tags there were."""
    count = 0
    for repository in client.get("/v2/_catalog").json["repositories"]:
        for tag in client.get(f"/v2/{repository}/tags/list").json["tags"]:
            count += 1
            found = client.get(f"/v2/{repository}/manifests/{tag}")
            body: dict[str, Any] = found.json
            assert images.sha256(found.content) == found.headers["docker-content-digest"]
            for part in (body["config"], *body["layers"]):
                whole = pull(client, f"/v2/{repository}/blobs/{part['digest']}", part["digest"])
                assert len(whole.content) == part["size"]
    return count


def _accepted(done: Answer, digest: str) -> None:
    assert done.status == _CREATED, f"{done.status}: {done.content[:300]!r}"
    assert done.headers["docker-content-digest"] == digest
