"""What every answer under /v2/ has: headers that keep content from becoming a page, and locations that any proxy leaves right."""

from typing import Final

import msgspec

from entrepot.spec.oci.names import RepositoryName
from entrepot.web.shared.call import Answer, Header

SAFE: Final[tuple[Header, ...]] = (
    (b"docker-distribution-api-version", b"registry/2.0"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
)
NOTHING: Final[Header] = (b"content-length", b"0")
_encode: Final = msgspec.json.Encoder().encode


def json_answer(status: int, value: object, *headers: Header, media_type: bytes = b"application/json") -> Answer:
    """Return a JSON document."""
    body = _encode(value)
    return Answer(status, [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *headers, *SAFE], body)


def empty_answer(status: int, *headers: Header) -> Answer:
    """Return headers only."""
    return Answer(status, [NOTHING, *headers, *SAFE])


def location(name: RepositoryName, kind: str, last: str) -> Header:
    """Return a Location header: a path alone, which stays right whatever stands between client and registry."""
    return (b"location", f"/v2/{name.asked}/{kind}/{last}".encode())


def etags_match(if_none_match: str, digest: str) -> bool:
    """Tell whether an If-None-Match header names the digest, quoted, weak or bare (RFC 9110, 13.1.2; clients send all)."""
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in if_none_match.split(","))
    return any(tag in (digest, "*") for tag in tags)
