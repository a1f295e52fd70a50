"""Manifests and indexes: image-spec 1.1 "Image Manifest" and "Image Index", Docker image manifest v2 schema 2.

A manifest is read once, when it is pushed. Its bytes are kept as they came; what is read here is what they refer to.
"""

import json
from typing import Any, Final

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.spec.oci import media_types
from entrepot.spec.oci.digest import SHA256, Digest, DigestInvalid
from entrepot.spec.oci.strict_json import JsonRefused, parse_object

MAX_MANIFEST_BYTES: Final = 4 << 20  # distribution-spec: at least 4 MiB should be accepted
MAX_REFERENCES: Final = 10_000  # far beyond any image; bounds the rows that one push writes
_SCHEMA_VERSION: Final = 2
_MAX_SIZE: Final = (1 << 63) - 1  # what Go's int64 holds: a client in Go refuses the whole manifest otherwise
_REQUIRED_OF: Final = {media_types.OCI_MANIFEST: "config", media_types.DOCKER_MANIFEST: "config"} | dict.fromkeys(
    media_types.INDEXES, "manifests"
)


class ManifestInvalid(EntrepotError):
    """The body is not a manifest of the type it is said to be."""

    summary = "the manifest is not valid: {reason}"


class SchemaOneRefused(ManifestInvalid):
    """The manifest is of Docker's schema 1, which has no digests of its own content to trust."""

    summary = "manifests of Docker's schema 1 are not accepted: push with Docker 1.10 or newer, or skopeo copy --format v2s2"


class Reference(msgspec.Struct, frozen=True):
    """Something that a manifest names: `kind` is config, layer, blob, child or elsewhere (bytes not required here)."""

    digest: Digest
    kind: str


class Manifest(msgspec.Struct, frozen=True):
    """What a manifest says of itself; `annotations` is a JSON object as ASCII text, empty when there are none."""

    media_type: str
    content: bytes
    digest: Digest
    artifact_type: str
    subject: Digest | None
    annotations: str
    references: tuple[Reference, ...]


def parse(content_type: str, content: bytes, algorithm: str = SHA256) -> Manifest:
    """Read a pushed manifest; `content_type` is the request's header, which may be empty.

    Raises:
        ManifestInvalid: not a manifest of that type, or its type or JSON is refused.
        SchemaOneRefused: Docker's schema 1.
    """
    try:
        body = parse_object(content)
    except JsonRefused as refused:
        raise ManifestInvalid(reason=refused.message) from None
    media_type = _media_type(media_types.without_parameters(content_type), body)
    required = _REQUIRED_OF.get(media_type)
    version = body.get("schemaVersion")
    if required is not None and not (type(version) is int and version == _SCHEMA_VERSION):
        raise ManifestInvalid(reason="'schemaVersion' must be 2")
    # Go writes an empty list as null, but a configuration that is null is none.
    if required is not None and (required not in body or (required == "config" and body[required] is None)):
        raise ManifestInvalid(reason=f"'{required}' is missing, which {media_type} requires")
    references = _references(body)
    # One body must not be an image to some readers and an index to others (CVE-2021-41190).
    if required is not None and body.get("manifests") is not None and ("config" in body or "layers" in body):
        raise ManifestInvalid(reason="it has 'manifests' beside 'config' or 'layers', so that readers would take it differently")
    return Manifest(
        media_type=media_type,
        content=content,
        digest=Digest.of(content, algorithm),
        artifact_type=_artifact_type(body),
        subject=_descriptor(body, "subject")[0] if body.get("subject") is not None else None,
        annotations=_annotations(body),
        references=references,
    )


def _media_type(header: str, body: dict[str, Any]) -> str:
    said = body.get("mediaType")
    if said is not None and not isinstance(said, str):
        raise ManifestInvalid(reason="'mediaType' must be a string")
    if not said and body.get("schemaVersion") == 1:
        raise SchemaOneRefused
    if said and header and said.lower() != header.lower():  # RFC 9110, 8.3.1: case means nothing
        raise ManifestInvalid(reason=f"its mediaType is {said}, but the Content-Type says {header}")
    found = media_types.spelt(said or header or _sniffed(body))
    if found in media_types.SCHEMA_1:
        raise SchemaOneRefused
    if not media_types.is_storable(found):
        raise ManifestInvalid(
            reason=f"it cannot be stored as '{found}': the type must be application/… and of the allowed characters"
        )
    return found


def _sniffed(body: dict[str, Any]) -> str:
    if "manifests" in body:
        return media_types.OCI_INDEX
    if "config" in body and "layers" in body:
        return media_types.OCI_MANIFEST
    raise ManifestInvalid(reason="it has no mediaType and the request has no Content-Type: send one")


def _artifact_type(body: dict[str, Any]) -> str:
    """Return artifactType, else the config's media type (distribution-spec, "Listing Referrers"), else ''."""
    declared = body.get("artifactType")
    if declared is not None and not isinstance(declared, str):
        raise ManifestInvalid(reason="'artifactType' must be a string")
    if declared:
        if not media_types.is_media_type(declared):
            raise ManifestInvalid(reason=f"artifactType '{declared}' is not a media type")
        return declared
    config = body.get("config")
    inherited = config.get("mediaType") if isinstance(config, dict) else None
    return inherited if isinstance(inherited, str) and media_types.is_media_type(inherited) else ""


def _annotations(body: dict[str, Any]) -> str:
    found = body.get("annotations")
    if found is None:
        return ""
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ManifestInvalid(reason="'annotations' must be an object of strings")
    # ASCII keeps escapes as escapes, so that no database ever sees a NUL or half a surrogate pair.
    return json.dumps(found, ensure_ascii=True, separators=(",", ":")) if found else ""


def _references(body: dict[str, Any]) -> tuple[Reference, ...]:
    found: dict[Digest, Reference] = {}
    if body.get("config") is not None:
        digest, _ = _descriptor(body, "config")
        found[digest] = Reference(digest, "config")
    for field, kind in (("layers", "layer"), ("blobs", "blob"), ("manifests", "child")):
        items = body.get(field)
        if items is not None and not isinstance(items, list):
            raise ManifestInvalid(reason=f"'{field}' must be a list")
        for place in range(len(items or ())):
            digest, elsewhere = _descriptor(body, field, place)
            if digest not in found or found[digest].kind == "elsewhere":
                found[digest] = Reference(digest, "elsewhere" if elsewhere else kind)
    if len(found) > MAX_REFERENCES:
        raise ManifestInvalid(reason=f"it names {len(found)} objects; at most {MAX_REFERENCES} are accepted")
    return tuple(found.values())


def _descriptor(body: dict[str, Any], field: str, place: int | None = None) -> tuple[Digest, bool]:
    """Check one descriptor; return its digest, and whether its bytes need not be here (image-spec, "Descriptors")."""
    value = body[field] if place is None else body[field][place]
    where = field if place is None else f"{field}[{place}]"
    if not isinstance(value, dict):
        raise ManifestInvalid(reason=f"'{where}' must be a descriptor object")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str):
        raise ManifestInvalid(reason=f"'{where}.mediaType' must be a string")
    if type(size) is not int or not 0 <= size <= _MAX_SIZE:
        raise ManifestInvalid(reason=f"'{where}.size' must be a number of bytes")
    if not isinstance(digest, str):
        raise ManifestInvalid(reason=f"'{where}.digest' must be a string")
    try:
        return Digest.parse(digest), bool(value.get("urls")) or media_types.lies_elsewhere(media_type)
    except DigestInvalid as refused:
        raise ManifestInvalid(reason=f"'{where}.digest': {refused.message}") from None
