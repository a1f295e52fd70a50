"""What is pushed and pulled: manifests, small blobs and large ones, all from a seed, and an image as skopeo reads it."""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.scale import KIB, MIB, SMALL_BLOB_BYTES

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_TAIL_BYTES: Final = 4 * KIB
_LAYER_BYTES: Final = 8 * KIB
CONFIG: Final = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


def digest_of(content: bytes) -> str:
    """Return the sha256 digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's bytes and their digest."""

    content: bytes
    digest: str


def manifest_of(config: bytes, layers: list[bytes], note: str) -> Manifest:
    """Make an image manifest; `note` makes it differ from others of the same blobs."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _descriptor(_CONFIG_TYPE, config),
        "layers": [_descriptor(_LAYER_TYPE, layer) for layer in layers],
        "annotations": {"org.opencontainers.image.description": note},
    }
    content = json.dumps(body).encode()
    return Manifest(content, digest_of(content))


def image_manifest(config: str, config_bytes: int, layer: str, layer_bytes: int) -> Manifest:
    """Make the manifest of an image whose config and one layer are told by digest and length."""
    body = {
        "schemaVersion": 2,
        "config": {"mediaType": _CONFIG_TYPE, "digest": config, "size": config_bytes},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_bytes}],
    }
    content = json.dumps(body, indent="\t").encode()
    return Manifest(content, digest_of(content))


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as the pull benchmarks want it: a layer of its own, and tags with a manifest each."""

    name: str
    layer: bytes
    manifests: dict[str, Manifest]


def repositories(count: int, tags_each: int) -> list[Repository]:
    """Make the repositories; the same ones every time."""
    made = []
    for number in range(count):
        layer = random.Random(number).randbytes(SMALL_BLOB_BYTES)
        tags = (f"v{place}" for place in range(tags_each))
        manifests = {tag: manifest_of(CONFIG, [layer], f"{number} {tag}") for tag in tags}
        made.append(Repository(f"bench/r{number:04}", layer, manifests))
    return made


@dataclass(frozen=True, slots=True)
class Payload:
    """A large blob: the first `base_bytes` of a file, then a tail that makes it unlike any other."""

    base: Path
    base_bytes: int
    tail: bytes
    digest: str

    @property
    def size_bytes(self) -> int:
        """The length of the whole."""
        return self.base_bytes + len(self.tail)

    def pieces(self, size_bytes: int) -> Iterator[bytes]:
        """Read the whole in pieces."""
        left = self.base_bytes
        with self.base.open("rb", buffering=0) as file:
            while left:
                piece = file.read(min(size_bytes, left))
                left -= len(piece)
                yield piece
        yield self.tail


class LargeFile:
    """A file of random bytes, hashed once, from which any number of different large blobs are made."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._base_bytes = size_bytes - _TAIL_BYTES
        self._sum = hashlib.sha256()
        self._random = random.Random()
        left = self._base_bytes
        with path.open("wb") as file:
            while left:
                piece = self._random.randbytes(min(left, 4 * MIB))
                file.write(piece)
                self._sum.update(piece)
                left -= len(piece)

    def payload(self) -> Payload:
        """Make a blob that no one has seen before."""
        tail = self._random.randbytes(_TAIL_BYTES)
        whole = self._sum.copy()
        whole.update(tail)
        return Payload(self._path, self._base_bytes, tail, f"sha256:{whole.hexdigest()}")


def write_layout(folder: Path, tag: str, layers: int) -> str:
    """Write an OCI image layout with an image of small layers that exist nowhere else; return its manifest's digest."""
    source = random.Random()
    archives = [_archive(source.randbytes(_LAYER_BYTES)) for _ in range(layers)]
    packed = [gzip.compress(archive, compresslevel=1, mtime=0) for archive in archives]
    diff_ids = [digest_of(archive) for archive in archives]
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    manifest = manifest_of(config, packed, tag)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    for content in (*packed, config, manifest.content):
        (blobs / digest_of(content).removeprefix("sha256:")).write_bytes(content)
    entry = _descriptor(MANIFEST_TYPE, manifest.content) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return manifest.digest


def _archive(content: bytes) -> bytes:
    """Pack one file into a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
