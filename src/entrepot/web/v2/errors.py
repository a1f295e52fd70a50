"""The one table from Entrepot's errors to OCI errors (distribution-spec 1.1, "Error Codes").

Handlers never build an error's answer: they let the error rise, and `oci_error` looks its class up here. A test fails when
a leaf of the registry's errors has no row, and when a row's code is not the specification's.
"""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError, Unavailable, shown
from entrepot.domain.access.errors import Denied, RegistryReadOnly, Renamed, TokenRefused, Unproven
from entrepot.domain.accounts.errors import SignInRefused, TooManySignIns
from entrepot.domain.registry import errors as registry
from entrepot.platform.storage.driver import ObjectLost, ObjectTooLarge, SizeMismatch, UploadBusy
from entrepot.spec.http.ranges import RangeNotSatisfiable
from entrepot.spec.oci import chunks, digest, manifest, names
from entrepot.web.shared.authorization import CredentialsUnreadable, service_of
from entrepot.web.shared.call import (
    Answer,
    BodyInterrupted,
    BodyTooLarge,
    Call,
    Header,
    HeadersTooLarge,
    QueryInvalid,
    TargetTooLong,
)
from entrepot.web.shared.gate import HostRefused, HostRepeated, MetricsRefused, OldHttpRefused, OriginRefused, ProxyRefused
from entrepot.web.shared.pace import BodyTooSlow
from entrepot.web.shared.transfers import TooManyBodies
from entrepot.web.v2.limits import TooManyPulls
from entrepot.web.v2.requests import FormInvalid, GrantUnknown, MethodUnknown, NumberInvalid, RouteUnknown, TooManyTags
from entrepot.web.v2.wire import json_answer

_log: Final = logging.getLogger(__name__)
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_LISTED: Final = 100  # entries of one answer: a manifest may name thousands of blobs


class Row(msgspec.Struct, frozen=True):
    """How one kind of error appears on the wire."""

    code: str
    status: int


OCI_ERRORS: Final[dict[type[EntrepotError], Row]] = {
    Renamed: Row("NAME_UNKNOWN", 404),
    Denied: Row("DENIED", 403),
    Unproven: Row("UNAUTHORIZED", 401),
    TokenRefused: Row("UNAUTHORIZED", 401),
    SignInRefused: Row("UNAUTHORIZED", 401),
    CredentialsUnreadable: Row("UNAUTHORIZED", 401),
    TooManySignIns: Row("TOOMANYREQUESTS", 429),
    TooManyPulls: Row("TOOMANYREQUESTS", 429),
    RegistryReadOnly: Row("UNSUPPORTED", 405),
    HostRefused: Row("DENIED", 403),
    HostRepeated: Row("UNSUPPORTED", 400),
    ProxyRefused: Row("DENIED", 403),
    OldHttpRefused: Row("DENIED", 403),
    HeadersTooLarge: Row("UNSUPPORTED", 431),
    TargetTooLong: Row("UNSUPPORTED", 414),
    OriginRefused: Row("DENIED", 403),
    MetricsRefused: Row("DENIED", 403),
    Unavailable: Row("UNAVAILABLE", 503),
    RouteUnknown: Row("NAME_UNKNOWN", 404),
    MethodUnknown: Row("UNSUPPORTED", 405),
    QueryInvalid: Row("UNSUPPORTED", 400),
    FormInvalid: Row("UNSUPPORTED", 400),
    GrantUnknown: Row("UNSUPPORTED", 400),
    NumberInvalid: Row("PAGINATION_NUMBER_INVALID", 400),
    TooManyTags: Row("TAG_INVALID", 414),
    BodyTooLarge: Row("SIZE_INVALID", 413),
    BodyInterrupted: Row("BLOB_UPLOAD_INVALID", 400),
    BodyTooSlow: Row("BLOB_UPLOAD_INVALID", 408),
    TooManyBodies: Row("TOOMANYREQUESTS", 429),
    names.NameInvalid: Row("NAME_INVALID", 400),
    names.TagInvalid: Row("TAG_INVALID", 400),
    digest.DigestInvalid: Row("DIGEST_INVALID", 400),
    manifest.ManifestInvalid: Row("MANIFEST_INVALID", 400),
    chunks.ChunkRangeInvalid: Row("BLOB_UPLOAD_INVALID", 400),
    chunks.ChunkSizeInvalid: Row("SIZE_INVALID", 400),
    ObjectTooLarge: Row("SIZE_INVALID", 413),
    ObjectLost: Row("BLOB_UNKNOWN", 404),
    SizeMismatch: Row("BLOB_UPLOAD_INVALID", 400),
    UploadBusy: Row("BLOB_UPLOAD_INVALID", 409),
    RangeNotSatisfiable: Row("RANGE_INVALID", 416),
    registry.RepositoryUnknown: Row("NAME_UNKNOWN", 404),
    registry.ManifestUnknown: Row("MANIFEST_UNKNOWN", 404),
    registry.BlobUnknown: Row("BLOB_UNKNOWN", 404),
    registry.ReferencesUnknown: Row("MANIFEST_BLOB_UNKNOWN", 400),
    registry.ManifestDigestMismatch: Row("DIGEST_INVALID", 400),
    registry.ManifestTypeFixed: Row("MANIFEST_INVALID", 400),
    registry.BlobDigestMismatch: Row("DIGEST_INVALID", 400),
    registry.BlobInUse: Row("UNSUPPORTED", 405),
    registry.TooManyUploads: Row("TOOMANYREQUESTS", 429),
    registry.UploadUnknown: Row("BLOB_UPLOAD_UNKNOWN", 404),
    registry.UploadOutOfOrder: Row("RANGE_INVALID", 416),
    registry.ChunkIncomplete: Row("SIZE_INVALID", 400),
    registry.UploadLost: Row("BLOB_UPLOAD_INVALID", 409),
}

# Another request on an upload ends in a moment, a body in seconds, an upload in minutes.
_RETRY_AFTER_S: Final[dict[type[EntrepotError], int]] = {
    UploadBusy: 1,
    TooManyBodies: 5,
    RegistryReadOnly: 60,
    registry.TooManyUploads: 60,
}


def oci_error(error: Exception, call: Call) -> Answer:
    """Return the answer for an error; one without a row is a mistake of ours and answers 500 without saying more."""
    row = next((OCI_ERRORS[kind] for kind in type(error).__mro__ if kind in OCI_ERRORS), None)
    if row is None or row.status >= _SERVER_ERROR:
        call.failure = error  # of ours, or of what we stand on: what a client asked for wrongly is none
    if row is None or not isinstance(error, EntrepotError):
        _log.error("request_failed", extra=call.about(), exc_info=error)
        message = "the registry made a mistake, which its log describes: try again, and tell its administrator if it stays"
        return json_answer(_SERVER_ERROR, {"errors": [_entry("UNKNOWN", message, None)]})
    log_refusal(error, row, call)
    return json_answer(row.status, {"errors": _entries(error, row)}, *_headers(error, call))


def log_refusal(error: EntrepotError, row: Row, call: Call) -> None:
    """Write the one line that a refused request has in the log."""
    _log.log(
        # Asking for what is not there is how every push begins.
        logging.DEBUG if row.status == _NOT_FOUND else logging.INFO,
        "request_refused",
        extra={**call.about(), "status": row.status, "code": row.code, "reason": error.message},
        exc_info=error.__cause__ and error,
    )


def _entries(error: EntrepotError, row: Row) -> Sequence[dict[str, object]]:
    message = error.message
    if isinstance(error, registry.ReferencesUnknown):
        listed = error.digests[:_LISTED]
        return [_entry(row.code, f"{message} ({digest})", {"digest": digest}) for digest in listed]
    return [_entry(row.code, message, {name: shown(value) for name, value in error.facts.items()})]


def _entry(code: str, message: str, detail: dict[str, str] | None) -> dict[str, object]:
    return {"code": code, "message": message, "detail": detail}


def _headers(error: EntrepotError, call: Call) -> list[Header]:
    if isinstance(error, (Unproven, TokenRefused, SignInRefused, CredentialsUnreadable)) and call.challenged_as is not None:
        return [_challenge(error, *service_of(call, call.challenged_as))]
    retry_after_s = error.retry_after_s if isinstance(error, (Unavailable, TooManyPulls)) else _RETRY_AFTER_S.get(type(error))
    if retry_after_s is not None:
        more = [(b"allow", b"GET, HEAD")] if isinstance(error, RegistryReadOnly) else getattr(error, "headers", [])
        return [(b"retry-after", b"%d" % retry_after_s), *more]
    if isinstance(error, MethodUnknown):
        return [(b"allow", error.allowed.encode())]
    if isinstance(error, RangeNotSatisfiable):
        return [(b"content-range", f"bytes */{error.size}".encode())]
    if isinstance(error, registry.UploadOutOfOrder):
        # The client asks for nothing more: it learns here from where to continue.
        return [
            (b"location", call.path),
            (b"range", f"0-{max(error.received - 1, 0)}".encode()),
            (b"docker-upload-uuid", error.upload.encode()),
        ]
    return []


def _challenge(error: EntrepotError, scheme: str, host: str) -> Header:
    """Return what tells a client where to get a token, and for what (RFC 6750, 3; Distribution, "Token Authentication")."""
    parts = [f'realm="{scheme}://{host}/token"', f'service="{host}"']
    if isinstance(error, Unproven) and error.scope:
        parts.append(f'scope="{error.scope}"')
    if isinstance(error, TokenRefused):
        parts.append('error="invalid_token"')
    elif isinstance(error, Unproven) and error.repeated:
        parts.append('error="insufficient_scope"')
    return b"www-authenticate", f"Bearer {','.join(parts)}".encode()
