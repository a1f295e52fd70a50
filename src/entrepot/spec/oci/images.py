"""What a manifest and a configuration say of an image: OCI image-spec 1.1 (manifest, config). All of it was pushed by somebody.

Every field may be missing, of another type, or made to look like something else.
"""

import re
from typing import Any, Final

from entrepot.spec.oci.strict_json import JsonRefused, parse_object

CONFIGS: Final = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
LARGEST_CONFIG: Final = 1 << 20  # bytes of a configuration that are read
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LARGEST: Final = (1 << 63) - 1
_LONGEST_PLATFORM: Final = 60
_LONGEST: Final = 2_000  # characters of one value


def document(content: bytes) -> dict[str, Any]:
    """Return a document as every client reads it: what two of them could read differently is taken for an empty one."""
    try:
        return parse_object(content)
    except JsonRefused:
        return {}


def text(value: object) -> str:
    """Return a text that can be written and stored: JSON may have halves of characters, and a NUL."""
    if not isinstance(value, str):
        return ""
    return _CONTROLS.sub(" ", value[:_LONGEST].encode("utf-8", "replace").decode())


def size(descriptor: object) -> int:
    """Return the size that a descriptor says, in bytes."""
    said = descriptor.get("size") if isinstance(descriptor, dict) else None
    return said if isinstance(said, int) and said >= 0 else 0


def platform(about: object) -> str:
    """Return a platform as `os/architecture/variant`, '' when nothing is said of it."""
    if not isinstance(about, dict):
        return ""
    parts = [about.get("os"), about.get("architecture"), about.get("variant"), about.get("os.version")]
    return "/".join(text(each) for each in parts if isinstance(each, str) and each)[:_LONGEST_PLATFORM]


def download_bytes(manifest: dict[str, Any], manifest_bytes: int) -> int:
    """Return what a pull of an image fetches: the manifest, its configuration and its layers."""
    layers = manifest.get("layers")
    layers = layers if isinstance(layers, list) else []
    whole = manifest_bytes + size(manifest.get("config")) + sum(size(each) for each in layers)
    return min(whole, _LARGEST)  # sizes are said by whoever pushed, and databases have an end


def pairs(found: object, most: int) -> dict[str, str]:
    """Return labels or annotations, at most that many of them."""
    if not isinstance(found, dict):
        return {}
    return {text(name): text(value) for name, value in list(found.items())[:most] if isinstance(value, str)}
