"""One repository as its only writer knows it: what must be there, what must be gone, and until when a blob is promised."""

import json
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from support import images

GRACE_S: Final = 3.0
# A HEAD leaves a link alone that was touched within a quarter of the grace time.
PROMISED_S: Final = GRACE_S * 0.75
_SIZES: Final = (40, 3_000, 40_000, 200_000)
_REMEMBERED: Final = 40


@dataclass(frozen=True)
class Kept:
    """A manifest that was acknowledged, and what it names."""

    body: bytes
    media_type: str
    blobs: tuple[bytes, ...] = ()
    children: tuple[str, ...] = ()
    subject: str = ""

    @property
    def digest(self) -> str:
        """Return its digest."""
        return images.sha256(self.body)

    @property
    def named(self) -> set[str]:
        """Return the digests of its blobs."""
        return {images.sha256(content) for content in self.blobs}


@dataclass
class Shelf:
    """A repository of one client."""

    name: str
    manifests: dict[str, Kept] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    promised_until: dict[str, float] = field(default_factory=dict)
    used_at: float = 0.0
    gone: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    gone_tags: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def names(self, digest: str) -> bool:
        """Tell whether one of its manifests names the blob, which keeps it for ever."""
        return any(digest in kept.named for kept in self.manifests.values())

    def must_have(self, digest: str) -> bool:
        """Tell whether the blob must be here at this moment."""
        return self.names(digest) or time.monotonic() < self.promised_until.get(digest, 0)

    def promise(self, digest: str, until: float) -> None:
        """Note until when the blob must be here."""
        self.used_at = time.monotonic()
        self.promised_until[digest] = max(until, self.promised_until.get(digest, 0))

    def keep(self, kept: Kept, tags: list[str]) -> None:
        """Note a manifest that was acknowledged."""
        self.manifests[kept.digest] = kept
        self.tags.update(dict.fromkeys(tags, kept.digest))
        self.gone = deque((each for each in self.gone if each != kept.digest), maxlen=_REMEMBERED)
        self.gone_tags = deque((each for each in self.gone_tags if each not in tags), maxlen=_REMEMBERED)

    def drop(self, digest: str) -> None:
        """Note that a manifest was deleted, and all tags on it."""
        del self.manifests[digest]
        self.gone.append(digest)
        for tag in [tag for tag, target in self.tags.items() if target == digest]:
            self.drop_tag(tag)

    def drop_tag(self, tag: str) -> None:
        """Note that a tag was deleted."""
        del self.tags[tag]
        self.gone_tags.append(tag)

    def referrers(self, subject: str) -> set[str]:
        """Return the manifests that name this one as their subject."""
        return {digest for digest, kept in self.manifests.items() if kept.subject == subject}


def content(chance: random.Random, seed: int) -> bytes:
    """Return a blob's bytes: often one that other clients push too, and at times one that all of them push just now."""
    if chance.random() < 0.15:
        name = f"{seed} now {int(time.monotonic() / 2)}"
    elif chance.random() < 0.2:
        name = f"{seed} own {chance.getrandbits(64)}"
    else:
        name = f"{seed} shared {int(chance.expovariate(1 / 30))}"
    made = random.Random(name)
    return made.randbytes(made.choice(_SIZES))


def image(blobs: tuple[bytes, ...], subject: Kept | None = None, note: str = "") -> Kept:
    """Return an image of these blobs; with a subject it refers to another manifest."""
    config, *layers = [images.blob(images.LAYER, each).descriptor for each in blobs]
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": images.MANIFEST, "config": config, "layers": layers}
    if note:
        body["annotations"] = {"note": note}
    if subject is not None:
        body["subject"] = images.blob(subject.media_type, subject.body).descriptor
    return Kept(json.dumps(body).encode(), images.MANIFEST, blobs, subject=subject.digest if subject else "")


def index(children: list[Kept]) -> Kept:
    """Return an index of images."""
    listed = [images.blob(each.media_type, each.body).descriptor for each in children]
    body = {"schemaVersion": 2, "mediaType": images.INDEX, "manifests": listed}
    return Kept(json.dumps(body).encode(), images.INDEX, children=tuple(each.digest for each in children))
