"""Signatures of requests to a bucket: AWS Signature Version 4, in headers and in addresses that others may use for a while.

Pure: no clock, no socket. Why it is ours: docs/decisions/0010. Tests compare it with botocore's.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "s3"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
NOTHING: Final = hashlib.sha256(b"").hexdigest()


class Keys(msgspec.Struct, frozen=True):
    """Who we are to the store; `token` only where the keys are lent for some hours."""

    access: str
    secret: str
    token: str = ""


class Request(msgspec.Struct, frozen=True):
    """What is signed: `path` as it goes over the wire, `query` not yet encoded."""

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...] = ()


def encoded_path(path: str) -> str:
    """Encode an object's path: S3 encodes each octet but unreserved ones and slashes, once."""
    return quote(path, safe="/-_.~")


def encoded_query(query: Iterable[tuple[str, str]]) -> str:
    """Encode a query as it is signed and sent: in the order of the encoded names."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(request: Request, headers: Mapping[str, str], payload: str, keys: Keys, when: tuple[datetime, str]) -> dict[str, str]:
    """Return the headers that a request needs; `payload` is the body's SHA-256, `when` the time in UTC and the region."""
    at, region = when
    stamp = _stamp(at)
    whole = {**headers, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    if keys.token:
        whole["x-amz-security-token"] = keys.token
    named = {"host": request.host, **{name.lower(): value for name, value in whole.items()}}
    signed = ";".join(sorted(named))
    scope = _scope(stamp, region)
    signature = _signature(_canonical(request, encoded_query(request.query), named, payload), stamp, scope, keys)
    whole["authorization"] = f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={signed}, Signature={signature}"
    return whole


def presign(request: Request, valid_s: int, keys: Keys, when: tuple[datetime, str]) -> str:
    """Return path and query of an address that whoever has it may use for so many seconds."""
    at, region = when
    stamp = _stamp(at)
    scope = _scope(stamp, region)
    query = [
        *request.query,
        ("X-Amz-Algorithm", _ALGORITHM),
        ("X-Amz-Credential", f"{keys.access}/{scope}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(valid_s)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if keys.token:
        query.append(("X-Amz-Security-Token", keys.token))
    text = encoded_query(query)
    signature = _signature(_canonical(request, text, {"host": request.host}, _UNSIGNED), stamp, scope, keys)
    return f"{request.path}?{text}&X-Amz-Signature={signature}"


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/{_SERVICE}/aws4_request"


def _canonical(request: Request, query: str, headers: Mapping[str, str], payload: str) -> str:
    names = sorted(headers)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    return "\n".join((request.method, request.path, query, lines, ";".join(names), payload))


def _signature(canonical: str, stamp: str, scope: str, keys: Keys) -> str:
    text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    day, region, *_ = scope.split("/")
    return hmac.new(_signing_key(keys.secret, day, region), text.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
