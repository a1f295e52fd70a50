"""The one table from Entrepot's errors to what this interface answers, and the two forms that it has: ours and Docker Hub's.

Handlers never build an error's answer: they let the error rise. A test fails when an error that a request can meet has no row.
"""

import logging
from typing import Any, Final

import msgspec

from entrepot.base.errors import EntrepotError, Unavailable, shown
from entrepot.domain.access.errors import Denied, Hidden, RegistryReadOnly, Renamed, TokenRefused, Unproven
from entrepot.domain.accounts import errors as accounts
from entrepot.domain.audit import errors as audit
from entrepot.domain.catalogue import errors as catalogue
from entrepot.domain.plans import errors as plans
from entrepot.domain.registry import errors as registry
from entrepot.spec.oci import names
from entrepot.spec.oci.strict_json import JsonRefused
from entrepot.web.api.bodies import MediaTypeRefused
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
from entrepot.web.shared.gate import HostRepeated
from entrepot.web.shared.pace import BodyTooSlow
from entrepot.web.shared.transfers import TooManyBodies

_log: Final = logging.getLogger(__name__)
_NOT_FOUND: Final = 404
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500
_SOON_S: Final = 5
_LATER_S: Final = 60
_MISTAKE: Final = "the registry made a mistake, which its log describes: try again, and tell its administrator if it stays"
SAFE: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox; frame-ancestors 'none'"),
)


class AddressUnknown(EntrepotError):
    """Nothing lies at that address."""

    summary = "there is nothing at this address: /api/v1/openapi.json describes all that there are"


class MethodRefused(EntrepotError):
    """The address does not take that method."""

    summary = "{method} is not supported here: {allowed} are"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(method=method, allowed=allowed)
        self.allowed = allowed


class SecondStepNeeded(accounts.CodeNeeded):
    """The password is right, and a code is needed: the token tells which password that was."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


class FieldInvalid(EntrepotError):
    """A field of the body, a part of the address or a parameter of the query cannot be used."""

    summary = "{field}: {reason}"


class Row(msgspec.Struct, frozen=True):
    """How one kind of error appears: `field` is what was sent wrongly, where the error is always about the same."""

    code: str
    status: int
    field: str = ""


API_ERRORS: Final[dict[type[EntrepotError], Row]] = {
    Unproven: Row("UNAUTHORIZED", 401),
    TokenRefused: Row("UNAUTHORIZED", 401),
    accounts.SignInRefused: Row("UNAUTHORIZED", 401),
    CredentialsUnreadable: Row("UNAUTHORIZED", 401),
    accounts.CodeNeeded: Row("CODE_NEEDED", 401, "code"),
    accounts.CodeRefused: Row("UNAUTHORIZED", 401, "code"),
    accounts.SecondFactorMissing: Row("CONFLICT", 409),
    Denied: Row("DENIED", 403),
    Hidden: Row("NOT_FOUND", 404),
    AddressUnknown: Row("NOT_FOUND", 404),
    accounts.AccountUnknown: Row("NOT_FOUND", 404),
    accounts.OrganisationUnknown: Row("NOT_FOUND", 404),
    accounts.TeamUnknown: Row("NOT_FOUND", 404),
    accounts.MemberUnknown: Row("NOT_FOUND", 404),
    accounts.CredentialUnknown: Row("NOT_FOUND", 404),
    accounts.SessionUnknown: Row("NOT_FOUND", 404),
    accounts.InvitationUnknown: Row("NOT_FOUND", 404),
    accounts.SecondFactorThere: Row("CONFLICT", 409),
    accounts.LinkInvalid: Row("INVALID", 422, "link"),
    accounts.SignUpClosed: Row("DENIED", 403),
    accounts.AddressMissing: Row("INVALID", 422, "email"),
    accounts.LanguageUnknown: Row("INVALID", 422, "language"),
    audit.ActUnknown: Row("INVALID", 422, "act"),
    catalogue.CategoryUnknown: Row("INVALID", 422, "categories"),
    catalogue.CategoryMissing: Row("NOT_FOUND", 404),
    catalogue.CategoryInvalid: Row("INVALID", 422, "name"),
    catalogue.TooManyCategories: Row("INVALID", 422, "categories"),
    catalogue.BadgeUnknown: Row("NOT_FOUND", 404),
    catalogue.BadgeRefused: Row("INVALID", 422, "checked"),
    plans.PlanUnknown: Row("NOT_FOUND", 404),
    plans.SubscriberUnknown: Row("NOT_FOUND", 404),
    plans.PlanInvalid: Row("INVALID", 422),
    registry.NameNotHeld: Row("NOT_FOUND", 404),
    registry.TooManyHeld: Row("CONFLICT", 409),
    registry.NameTooLong: Row("INVALID", 422, "name"),
    registry.RepositoryUnknown: Row("NOT_FOUND", 404),
    registry.ManifestUnknown: Row("NOT_FOUND", 404),
    Renamed: Row("NOT_FOUND", 404),
    registry.NamespaceUnknown: Row("NOT_FOUND", 404),
    registry.NamingRefused: Row("CONFLICT", 409, "name"),
    registry.TextTooLong: Row("INVALID", 422, "description"),
    accounts.NameTaken: Row("CONFLICT", 409, "name"),
    accounts.EmailTaken: Row("CONFLICT", 409, "email"),
    accounts.TeamExists: Row("CONFLICT", 409, "name"),
    accounts.RobotExists: Row("CONFLICT", 409, "name"),
    accounts.TooMany: Row("CONFLICT", 409),
    accounts.LastOwner: Row("CONFLICT", 409),
    accounts.LastAdministrator: Row("CONFLICT", 409),
    registry.RepositoryExists: Row("CONFLICT", 409, "name"),
    FieldInvalid: Row("INVALID", 422),
    accounts.EmailInvalid: Row("INVALID", 422, "email"),
    accounts.PasswordTooShort: Row("INVALID", 422, "password"),
    accounts.PasswordTooLong: Row("INVALID", 422, "password"),
    accounts.PasswordKnown: Row("INVALID", 422, "password"),
    accounts.TermsInvalid: Row("INVALID", 422),
    names.NameInvalid: Row("INVALID", 422, "name"),
    names.NamespaceInvalid: Row("INVALID", 422, "name"),
    names.TagInvalid: Row("INVALID", 422, "tag"),
    JsonRefused: Row("UNREADABLE", 400),
    QueryInvalid: Row("UNREADABLE", 400),
    HostRepeated: Row("UNREADABLE", 400),
    BodyInterrupted: Row("UNREADABLE", 400),
    BodyTooSlow: Row("UNREADABLE", 408),
    BodyTooLarge: Row("UNREADABLE", 413),
    TargetTooLong: Row("UNREADABLE", 414),
    MediaTypeRefused: Row("UNREADABLE", 415),
    HeadersTooLarge: Row("UNREADABLE", 431),
    MethodRefused: Row("UNSUPPORTED", 405),
    RegistryReadOnly: Row("READ_ONLY", 405),
    accounts.TooManySignIns: Row("TOO_MANY_REQUESTS", 429),
    TooManyBodies: Row("TOO_MANY_REQUESTS", 429),
    Unavailable: Row("UNAVAILABLE", 503),
}
# What a token's terms call it, and the field that has it.
_TERMS: Final = {
    "pattern of repositories": "repositories",
    "list of repositories": "repositories",
    "pattern of tags": "tags",
    "list of tags": "tags",
    "network": "networks",
    "list of networks": "networks",
    "lifetime": "expires_in_days",
    "robot": "grants",
    "name": "name",
}


def refusal(error: Exception, call: Call, *, as_hub: bool) -> Answer:
    """Return the answer for an error; one without a row is a mistake of ours and answers 500 without saying more."""
    row = next((API_ERRORS[kind] for kind in type(error).__mro__ if kind in API_ERRORS), None)
    if row is None or row.status >= _SERVER_ERROR:
        call.failure = error
    if row is None or not isinstance(error, EntrepotError):
        _log.error("request_failed", extra=call.about(), exc_info=error)
        row, message, detail = Row("UNKNOWN", _SERVER_ERROR), _MISTAKE, {}
    else:
        message, detail = error.message, _detail(error, row)
        _log.log(
            logging.DEBUG if row.status == _NOT_FOUND else logging.INFO,
            "request_refused",
            extra={**call.about(), "status": row.status, "code": row.code, "reason": message},
            exc_info=error.__cause__ and error,
        )
    body = _hub_body(error, row, message, detail) if as_hub else {"code": row.code, "message": message, "detail": detail or None}
    return json_answer(row.status, body, *_headers(error, row, call))


def json_answer(status: int, value: Any, *headers: Header) -> Answer:
    """Return a JSON document."""
    body = msgspec.json.encode(value)
    about = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Answer(status, [*about, *headers, *SAFE], body)


def _detail(error: EntrepotError, row: Row) -> dict[str, str]:
    detail = {name: shown(value) for name, value in error.facts.items()}
    field = _TERMS.get(detail.get("what", ""), "") if isinstance(error, accounts.TermsInvalid) else row.field
    return {**detail, "field": field} if field else detail


def _hub_body(error: Exception, row: Row, message: str, detail: dict[str, str]) -> dict[str, Any]:
    """Return what clients of Docker Hub's interface look into: some for `detail`, some for `message`."""
    if isinstance(error, SecondStepNeeded):
        said = "Require secondary authentication on MFA enabled account"
        return {"detail": said, "message": message, "login_2fa_token": error.token}
    if row.status == _UNAUTHORIZED:
        return {"detail": "Incorrect authentication credentials", "message": message}
    return {"message": message, "detail": message, "errinfo": detail}


def _headers(error: Exception, row: Row, call: Call) -> list[Header]:
    if row.status == _UNAUTHORIZED:
        # Not Basic: browsers would ask for a password, and send it by themselves from then on.
        scheme, host = service_of(call, call.challenged_as or "")
        return [(b"www-authenticate", f'Bearer realm="{scheme}://{host}/api/v1/token"'.encode())]
    if isinstance(error, RegistryReadOnly):
        return [(b"retry-after", b"%d" % _LATER_S), (b"allow", b"GET, HEAD")]
    if isinstance(error, MethodRefused):
        return [(b"allow", error.allowed.encode())]
    if isinstance(error, Unavailable):
        return [(b"retry-after", b"%d" % error.retry_after_s)]
    return [(b"retry-after", b"%d" % _SOON_S)] if isinstance(error, TooManyBodies) else []
