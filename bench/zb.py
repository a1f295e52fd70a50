"""The sixteen scenarios of zot's benchmark `zb` that need no second registry, asked as `zb` asks them, by a program of ours.

It is ours because `zb` itself cannot push to docker-registry: of an upload's Location it keeps the path and drops the query, in
which docker-registry carries the upload's state. Here an address is used as it was given. What differs besides: the mixed
scenarios deal their shares out exactly, so that all servers get the same work where `zb` tosses coins, and files are sent by
the kernel. Requests, their order, the sizes and what counts as the time of a scenario are `zb`'s: its requests divided by the
seconds from the first client's start to the last one's end, what is pushed beforehand to be pulled included.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from bench.client import Client, connected
from bench.failure import BenchmarkFailed
from bench.images import CONFIG, MANIFEST_TYPE, Manifest, Payload, digest_of, image_manifest

CLIENTS: Final = 2
SIZES_MIB: Final = (1, 10, 100)
_CONFIG_DIGEST: Final = digest_of(CONFIG)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was pushed: its layer's length is remembered to see that a pull brought all of it."""

    repository: str
    tag: str
    manifest: Manifest
    layer: Payload


class Visit:
    """One client's part of a scenario; `sizes` says what each of its requests moves, in MiB."""

    def __init__(self, client: Client, blobs: dict[int, Payload], sizes: list[int], name: str) -> None:
        self.sizes = sizes
        self.began = self.prepared = time.monotonic()
        self._client = client
        self._blobs = blobs
        self._name = name
        self._pushed = 0

    def now_prepared(self) -> None:
        """Note that the requests proper begin."""
        self.prepared = time.monotonic()

    def push(self, size_mib: int, *, in_chunks: bool = False) -> Image:
        """Push an image of one layer into a repository of its own."""
        self._pushed += 1
        layer = self._blobs[size_mib]
        repository, tag = f"{self._name}-{self._pushed}", f"tag{self._pushed}"
        location = self._client.begin_upload(repository)
        if in_chunks:
            location = self._client.send("PATCH", location, layer).expect(202).headers["location"]
            self._client.close_upload(location, layer.digest, b"")
        else:
            self._client.send("PUT", location, layer, query=f"digest={layer.digest}").expect(201)
        self._push_config(repository, in_chunks=in_chunks)
        manifest = image_manifest(_CONFIG_DIGEST, len(CONFIG), layer.digest, layer.size_bytes)
        self._client.push_manifest(repository, tag, manifest)
        return Image(repository, tag, manifest, layer)

    def _push_config(self, repository: str, *, in_chunks: bool) -> None:
        location = self._client.begin_upload(repository)
        if not in_chunks:
            self._client.close_upload(location, _CONFIG_DIGEST, CONFIG)
            return
        # zb sends an empty chunk first, by mistake: its file is at its end. The address it goes on with is the first one.
        self._client.patch(location, b"")
        location = self._client.patch(location, CONFIG)
        self._client.close_upload(location, _CONFIG_DIGEST, b"")

    def pull(self, image: Image) -> None:
        """Ask whether there is a manifest, a config and a layer, and get each."""
        path = f"/v2/{image.repository}"
        self._client.ask("HEAD", f"{path}/manifests/{image.tag}", headers={"Accept": MANIFEST_TYPE}).expect(200)
        answer = self._client.manifest(image.repository, image.tag).expect(200)
        answer.must_be(image.manifest.digest)
        config = json.loads(answer.body)["config"]["digest"]
        self._client.ask("HEAD", f"{path}/blobs/{config}").expect(200)
        self._client.ask("GET", f"{path}/blobs/{config}").expect(200).must_be(_CONFIG_DIGEST)
        self._client.ask("HEAD", f"{path}/blobs/{image.layer.digest}").expect(200)
        came = self._client.drain(f"{path}/blobs/{image.layer.digest}")
        if came != image.layer.size_bytes:
            raise BenchmarkFailed(f"{came} bytes came of a layer of {image.layer.size_bytes}")

    def check(self, image: Image) -> None:
        """Pull the layer once more and look at its bytes: a fast wrong answer is no answer."""
        sum_ = hashlib.sha256()
        self._client.drain(f"/v2/{image.repository}/blobs/{image.layer.digest}", sum_.update)
        if f"sha256:{sum_.hexdigest()}" != image.layer.digest:
            raise BenchmarkFailed("a pull brought other bytes than were pushed")

    def catalogue(self) -> None:
        """Get the list of repositories."""
        answer = self._client.ask("GET", "/v2/_catalog").expect(200)
        if not json.loads(answer.body)["repositories"]:
            raise BenchmarkFailed("the catalogue is empty")


def _get_catalogue(visit: Visit) -> Image:
    images = [visit.push(size) for size in visit.sizes]
    visit.now_prepared()
    for _ in visit.sizes:
        visit.catalogue()
    return images[-1]


def _push_whole(visit: Visit) -> Image:
    return [visit.push(size) for size in visit.sizes][-1]


def _push_chunks(visit: Visit) -> Image:
    return [visit.push(size, in_chunks=True) for size in visit.sizes][-1]


def _pull(visit: Visit) -> Image:
    images = {size: visit.push(size) for size in sorted(set(visit.sizes))}
    visit.now_prepared()
    for size in visit.sizes:
        visit.pull(images[size])
    return images[visit.sizes[-1]]


def _pull_and_push(visit: Visit) -> Image:
    """Here a size of 0 stands for a pull of what was pushed beforehand."""
    pulled = visit.push(max(visit.sizes))
    visit.now_prepared()
    for size in visit.sizes:
        if size:
            visit.push(size)
        else:
            visit.pull(pulled)
    return pulled


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of zb's: what a client does, how many requests there are of all clients together, and which share has which size."""

    name: str
    act: Callable[[Visit], Image]
    requests: int
    shares: dict[int, int]
    prepares: bool = False

    def sizes(self, seed: int, part: int) -> list[int]:
        """Deal out the sizes of one client's requests: exactly the shares, in an order that depends on the seed alone."""
        count = max(self.requests // CLIENTS // part, 2)
        whole = sum(self.shares.values())
        ends = [round(count * end / whole) for end in accumulate(self.shares.values())]
        dealt = [size for size, end, start in zip(self.shares, ends, [0, *ends], strict=False) for _ in range(end - start)]
        return random.Random(seed).sample(dealt, count)


def _of_one_size(name: str, act: Callable[[Visit], Image], requests: Sequence[int], *, prepares: bool = False) -> list[Scenario]:
    return [
        Scenario(f"zb: {name} {size} MB", act, count, {size: 1}, prepares)
        for size, count in zip(SIZES_MIB, requests, strict=True)
    ]


_FEW_LARGE: Final = {1: 20, 10: 70, 100: 10}
SCENARIOS: Final = (
    Scenario("zb: get catalog", _get_catalogue, 20, {1: 70, 10: 20, 100: 10}, prepares=True),
    *_of_one_size("push monolith", _push_whole, (80, 30, 6)),
    *_of_one_size("push chunk streamed", _push_chunks, (80, 30, 6)),
    *_of_one_size("pull", _pull, (200, 60, 12), prepares=True),
    Scenario("zb: pull mixed 20 % 1, 70 % 10, 10 % 100 MB", _pull, 40, _FEW_LARGE, prepares=True),
    Scenario("zb: push monolith mixed 20 % 1, 70 % 10, 10 % 100 MB", _push_whole, 20, _FEW_LARGE),
    Scenario("zb: push chunk mixed 33 % 1, 33 % 10, 33 % 100 MB", _push_chunks, 12, {1: 1, 10: 1, 100: 1}),
    *(
        Scenario(f"zb: pull 75 %, push 25 % mixed {size} MB", _pull_and_push, count, {0: 75, size: 25}, prepares=True)
        for size, count in zip(SIZES_MIB, (120, 40, 8), strict=True)
    ),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one client process is told: which scenario, against which port, with which blobs and sizes."""

    scenario: int
    port: int
    blobs: dict[int, Payload]
    sizes: list[int]
    client: int


@dataclass(frozen=True, slots=True)
class Times:
    """When a client began, when it had prepared what it pulls, and when its last request was answered; monotonic seconds."""

    began: float
    prepared: float
    ended: float


def play(part: Part) -> Times:
    """Do one client's part; meant for a process of its own."""
    with connected(part.port) as client:
        visit = Visit(client, part.blobs, part.sizes, f"zb/client{part.client}")
        image = SCENARIOS[part.scenario].act(visit)
        ended = time.monotonic()
        visit.check(image)
    return Times(visit.began, visit.prepared, ended)
