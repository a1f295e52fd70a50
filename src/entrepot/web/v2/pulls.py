"""What counts as a pull, and counting it.

A pull is a GET that was answered 200 with the manifest of an image: no index, nothing that belongs to another image (a subject,
an attestation, a tag that begins with `sha256-`). HEAD is never counted.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from entrepot.domain.registry.model import StoredManifest
from entrepot.domain.registry.service import Registry
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Call

GetManifest = Callable[[Call, Registry, RepositoryName, str], Awaitable[Answer]]
_IMAGES: Final = frozenset(["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"])
_ATTESTATION: Final = "application/vnd.in-toto+json"
_OK: Final = 200
_MOST_SEEN: Final = 20_000
_seen: dict[str, bool] = {}  # by digest: the last few thousand are remembered


class _Layer(msgspec.Struct):
    media_type: str = msgspec.field(default="", name="mediaType")


class _Manifest(msgspec.Struct):
    layers: list[_Layer] = []
    subject: dict[str, Any] | None = None


def counting(get_manifest: GetManifest) -> GetManifest:
    """Return end-3 with each pull counted, for its repository and for whoever pulled."""

    async def counted(call: Call, registry: Registry, name: RepositoryName, last: str) -> Answer:
        answer = await get_manifest(call, registry, name, last)
        tag = "" if ":" in last or call.method != "GET" else last
        if call.pulled:
            registry.pulls.note(call.actor, name.stored, call.client, call.pulled, tag)
        elif tag and answer.status == _OK:
            registry.pulls.note_tag(name.stored, tag)
        return answer

    return counted


def is_pull(found: StoredManifest, last: str) -> bool:
    """Tell whether a manifest that answers a GET is a pull; `last` is the tag or the digest that was asked for."""
    if found.media_type not in _IMAGES or last.startswith("sha256-"):
        return False
    known = _seen.get(found.digest)
    if known is None:
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        known = _seen[found.digest] = _looks_like_one(found.content)
    return known


def _looks_like_one(content: bytes) -> bool:
    """Tell whether a manifest is an image of its own, and belongs to no other."""
    try:
        manifest = msgspec.json.decode(content, type=_Manifest)
    except msgspec.DecodeError:
        return True
    return manifest.subject is None and all(layer.media_type != _ATTESTATION for layer in manifest.layers)
