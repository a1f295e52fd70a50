"""Images for tests, from nothing but the standard library: the same seed gives the same bytes.

They hold a few small files and no program, which is all that a registry and its clients need to move them about.
"""

import gzip
import hashlib
import io
import json
import random
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from support.http import Client

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7")
_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes under their digest, in memory or, when they are many, in a file."""

    media_type: str
    digest: str
    size_bytes: int
    content: bytes | Path

    @property
    def descriptor(self) -> dict[str, Any]:
        """Return what a manifest says about it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it is stored, and the digest of its unpacked tar."""

    blob: Blob
    diff_id: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image for one platform."""

    manifest: Blob
    config: Blob
    layers: tuple[Layer, ...]
    platform: str

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Return everything that is pushed before its manifest, each once."""
        return tuple({blob.digest: blob for blob in (*(layer.blob for layer in self.layers), self.config)}.values())


@dataclass(frozen=True, slots=True)
class Index:
    """Images for several platforms under one digest."""

    manifest: Blob
    images: tuple[Image, ...]


def blob(media_type: str, content: bytes) -> Blob:
    """Wrap bytes."""
    return Blob(media_type, sha256(content), len(content), content)


def sha256(content: bytes) -> str:
    """Return the digest of bytes as OCI writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: dict[str, bytes], *, media_type: str = LAYER_GZIP) -> Layer:
    """Make a layer of these files, compressed if the media type says so."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    plain = tar.getvalue()
    stored = plain if media_type == LAYER else gzip.compress(plain, compresslevel=1, mtime=0)
    return Layer(blob(media_type, stored), sha256(plain))


def random_layer(seed: int, size_bytes: int, *, media_type: str = LAYER_GZIP) -> Layer:
    """Make a small layer that holds bytes that nothing compresses."""
    return layer({f"random-{seed}": random.Random(seed).randbytes(size_bytes)}, media_type=media_type)


def big_layer(path: Path, seed: int, size_bytes: int) -> Layer:
    """Write an uncompressed layer of about this size to a file; a gigabyte takes a second or two."""
    hashed = hashlib.sha256()
    with path.open("wb") as file:
        for piece in _big_tar(seed, size_bytes):
            hashed.update(piece)
            file.write(piece)
    digest = f"sha256:{hashed.hexdigest()}"
    return Layer(Blob(LAYER, digest, path.stat().st_size, path), digest)


def image(layers: Sequence[Layer], platform: str = PLATFORMS[0], *, docker: bool = False, **config: Any) -> Image:
    """Make an image of these layers, as OCI or in Docker's own types; `config` is added to its configuration."""
    system, architecture, *variant = platform.split("/")
    described: dict[str, Any] = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "config": {"Cmd": ["/hello"], **config},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "tests"} for _ in layers],
    }
    configuration = blob(DOCKER_CONFIG if docker else CONFIG, _json(described))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else MANIFEST,
        "config": configuration.descriptor,
        "layers": [{**layer.blob.descriptor, **({"mediaType": DOCKER_LAYER} if docker else {})} for layer in layers],
    }
    return Image(blob(manifest["mediaType"], _json(manifest)), configuration, tuple(layers), platform)


def simple_image(seed: int, platform: str = PLATFORMS[0], *, layers: int = 2, docker: bool = False) -> Image:
    """Make a small image with a file that names its platform and some layers of its own."""
    own = [random_layer(seed * 1000 + number, 2_000) for number in range(layers - 1)]
    return image([layer({"platform": platform.encode(), "seed": str(seed).encode()}), *own], platform, docker=docker)


def index(images: Sequence[Image], *, docker: bool = False) -> Index:
    """Make an index (or Docker's manifest list) of images."""
    entries = []
    for each in images:
        system, architecture, *variant = each.platform.split("/")
        platform = {"architecture": architecture, "os": system, **({"variant": variant[0]} if variant else {})}
        entries.append({**each.manifest.descriptor, "platform": platform})
    media_type = DOCKER_LIST if docker else INDEX
    return Index(blob(media_type, _json({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})), tuple(images))


def multi_platform(seed: int, *, docker: bool = False) -> Index:
    """Make an index with an image for each of the three platforms."""
    return index(
        [simple_image(seed * 10 + place, platform, docker=docker) for place, platform in enumerate(PLATFORMS)], docker=docker
    )


def write_layout(folder: Path, tagged: dict[str, Image | Index]) -> Path:
    """Write an OCI image layout with these tags."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for tag, what in tagged.items():
        for each in _all_blobs(what):
            target = blobs / each.digest.removeprefix("sha256:")
            if isinstance(each.content, Path):
                shutil.copyfile(each.content, target)
            else:
                target.write_bytes(each.content)
        entries.append({**what.manifest.descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    return folder


def write_docker_archive(path: Path, what: Image, tag: str) -> Path:
    """Write an image as `docker load` reads it."""
    config = f"{what.config.digest.removeprefix('sha256:')}.json"
    names = [f"{number}/layer.tar" for number in range(len(what.layers))]
    with tarfile.open(path, "w") as archive:
        for name, each in zip(names, what.layers, strict=True):
            with each.blob.open() as stored:
                plain: IO[bytes] = stored if each.blob.media_type == LAYER else io.BytesIO(gzip.decompress(stored.read()))
                entry = tarfile.TarInfo(name)
                entry.size = plain.seek(0, io.SEEK_END)
                plain.seek(0)
                archive.addfile(entry, plain)
        listed = _json([{"Config": config, "RepoTags": [tag], "Layers": names}])
        for name, content in ((config, what.config.open().read()), ("manifest.json", listed)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def push(client: Client, repository: str, what: Image | Index, *tags: str) -> str:
    """Push over HTTP as the specification says: blobs, then manifests by digest, then the tags; return the digest."""
    for each in what.images if isinstance(what, Index) else (what,):
        for stored in each.blobs:
            push_blob(client, repository, stored)
        push_manifest(client, repository, each.manifest, each.manifest.digest)
    for reference in tags or (what.manifest.digest,):
        push_manifest(client, repository, what.manifest, reference)
    return what.manifest.digest


def push_artifact(client: Client, repository: str, artifact_type: str, **more: Any) -> str:
    """Push an artifact that is nothing but its manifest, to which `more` is added; return its digest."""
    empty = blob(EMPTY, b"{}")
    push_blob(client, repository, empty)
    about = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": artifact_type, "config": empty.descriptor}
    manifest = blob(MANIFEST, _json({**about, "layers": [empty.descriptor], **more}))
    push_manifest(client, repository, manifest, manifest.digest)
    return manifest.digest


def push_blob(client: Client, repository: str, what: Blob) -> None:
    """Push one blob by POST and one PUT, unless the repository has it."""
    if client.head(f"/v2/{repository}/blobs/{what.digest}").status == 200:
        return
    started = client.post(f"/v2/{repository}/blobs/uploads/")
    assert started.status == 202, started
    location = started.headers["Location"].removeprefix(f"http://{client.address[0]}:{client.address[1]}")
    with what.open() as content:
        headers = {"Content-Length": str(what.size_bytes), "Content-Type": "application/octet-stream"}
        done = client.put(f"{location}{'&' if '?' in location else '?'}digest={what.digest}", body=content, headers=headers)
    assert done.status == 201, done


def push_manifest(client: Client, repository: str, manifest: Blob, reference: str) -> None:
    """Push one manifest under a tag or its digest."""
    with manifest.open() as content:
        done = client.put(
            f"/v2/{repository}/manifests/{reference}", body=content.read(), headers={"Content-Type": manifest.media_type}
        )
    assert done.status == 201, done


def _all_blobs(what: Image | Index) -> Iterator[Blob]:
    yield what.manifest
    for each in what.images if isinstance(what, Index) else (what,):
        yield each.manifest
        yield from each.blobs


def _big_tar(seed: int, size_bytes: int) -> Iterator[bytes]:
    # One random piece is repeated, each time with its number in front: far enough apart that gzip finds no repetition.
    content_bytes = size_bytes // _PIECE_BYTES * _PIECE_BYTES
    entry = tarfile.TarInfo(f"big-{seed}")
    entry.size = content_bytes
    yield entry.tobuf()
    rest = random.Random(seed).randbytes(_PIECE_BYTES - 8)
    for number in range(content_bytes // _PIECE_BYTES):
        yield number.to_bytes(8, "big") + rest
    yield bytes(2 * tarfile.BLOCKSIZE)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
