"""Media types that change what we do: image-spec 1.1 "Media Types" and Docker's image manifest v2, schemas 1 and 2."""

import re
from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
# Layers that may not be handed out by a registry: their bytes lie elsewhere and are not required here.
_ELSEWHERE: Final = re.compile(
    r"application/vnd\.docker\.image\.rootfs\.foreign\.diff\.tar(\.gzip)?"
    r"|application/vnd\.oci\.image\.layer\.nondistributable\.v1\.tar(\+[a-z0-9]+)?"
)
# An answer of one of these types can never be taken for a page; RFC 6838 allows no more characters than these either.
_STORABLE: Final = re.compile(r"application/[A-Za-z0-9!#$&^_.+-]{1,127}")
_ANY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


def is_storable(media_type: str) -> bool:
    """Tell whether a manifest may be stored and served under this type."""
    return _STORABLE.fullmatch(media_type) is not None


def is_media_type(text: str) -> bool:
    """Tell whether `text` is a media type without parameters (RFC 6838, section 4.2)."""
    return _ANY.fullmatch(text) is not None


def lies_elsewhere(media_type: str) -> bool:
    """Tell whether a layer of this type is non-distributable, so that its bytes need not be here."""
    return _ELSEWHERE.fullmatch(media_type) is not None


def without_parameters(header: str) -> str:
    """Return the type of a Content-Type header without its parameters, as it was sent."""
    return header.partition(";")[0].strip()


def spelt(media_type: str) -> str:
    """Return a type that we know in the way its document spells it, any other one as it is."""
    lower = media_type.lower()
    return lower if lower in MANIFESTS | INDEXES | SCHEMA_1 else media_type
