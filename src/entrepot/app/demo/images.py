"""Images of the demo hub: layers of files that say what they are, configurations and manifests as builders make them."""

import gzip
import hashlib
import io
import random
import tarfile
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from entrepot.app.demo.stock import Stock
from entrepot.spec.oci.digest import Digest

_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
# Bytes of what cannot be compressed, in a base and in an application.
_BASES: Final = {"alpine": (350_000, "alpine:3.23"), "debian": (1_200_000, "debian:13-slim")}
_SMALLEST: Final = 15_000
_LARGEST: Final = 400_000


class Layer(msgspec.Struct, frozen=True):
    """A layer: its bytes, the digest of its contents before they were compressed, and the command that made it."""

    content: bytes
    diff_id: str
    command: str


class Built(msgspec.Struct, frozen=True):
    """An image for one platform: what is to be pushed before its manifest, and that."""

    platform: str
    blobs: list[bytes]
    manifest: bytes


def build(stock: Stock, version: str, platform: str) -> Built:
    """Return the image of a version for a platform; the same each time."""
    base = _layer(stock.base, platform, *_BASES[stock.base])
    size = _SMALLEST + random.Random(stock.name).randrange(_LARGEST)
    installed = _layer(
        f"{stock.name}-{version}", platform, size, f"RUN install {stock.name.rpartition('/')[2]}={version or 'latest'}"
    )
    settings = _layer(f"{stock.name}-settings", platform, 900, "COPY rootfs/ /")
    layers = [base, installed, settings]
    config = _config(stock, version, platform, layers)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(_CONFIG, config),
        "layers": [_descriptor(_LAYER, each.content) for each in layers],
    }
    return Built(platform, [config, *(each.content for each in layers)], msgspec.json.encode(manifest))


def index(stock: Stock, version: str, built: list[Built]) -> bytes:
    """Return the index of the images of a version."""
    manifests = []
    for each in built:
        system, architecture, *variant = each.platform.split("/")
        about = {"os": system, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        manifests.append({**_descriptor(MANIFEST, each.manifest), "platform": about})
    return msgspec.json.encode(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": _labels(stock, version)}
    )


def _config(stock: Stock, version: str, platform: str, layers: list[Layer]) -> bytes:
    system, architecture, *variant = platform.split("/")
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=len(version))
    settings: dict[str, Any] = {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", f"VERSION={version or 'latest'}"],
        "Cmd": stock.command.split(" ", 1),
        "WorkingDir": "/",
        "Labels": _labels(stock, version),
    }
    if stock.user:
        settings["User"] = stock.user
    if stock.port:
        settings["ExposedPorts"] = {f"{stock.port}/tcp": {}}
    history: list[dict[str, Any]] = [{"created": made.isoformat(), "created_by": each.command} for each in layers]
    lines = (*([f"USER {stock.user}"] if stock.user else []), f"CMD {stock.command}")
    history += [{"created": made.isoformat(), "created_by": line, "empty_layer": True} for line in lines]
    return msgspec.json.encode(
        {
            "created": made.isoformat(),
            "architecture": architecture,
            "os": system,
            **({"variant": variant[0]} if variant else {}),
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in layers]},
            "history": history,
        }
    )


def _labels(stock: Stock, version: str) -> dict[str, str]:
    name = stock.name.rpartition("/")[2]
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.description": stock.about,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    if stock.source:
        labels["org.opencontainers.image.source"] = f"https://git.example.org/{stock.name.removeprefix('library/')}"
    return {label: value for label, value in labels.items() if value}


@cache
def _layer(seed: str, platform: str, size: int, made_by: str) -> Layer:
    packed = io.BytesIO()
    note = f"A part of the demo hub: {seed} for {platform}. Nothing in here runs.\n".encode()
    noise = random.Random(f"{seed} {platform}").randbytes(size)
    folder = seed.replace("/", "-")
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in ((f"usr/share/doc/{folder}/README", note), (f"usr/lib/{folder}/data.bin", noise)):
            about = tarfile.TarInfo(path)
            about.size, about.mode = len(content), 0o644
            tar.addfile(about, io.BytesIO(content))
    plain = packed.getvalue()
    command = made_by if made_by.startswith(("RUN", "COPY")) else f"ADD {made_by.replace(':', '-')}-rootfs.tar.xz / # buildkit"
    return Layer(gzip.compress(plain, 1, mtime=0), f"sha256:{hashlib.sha256(plain).hexdigest()}", command)


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
