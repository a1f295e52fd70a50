"""Pages that say what there is not, or what does not work at the moment. What is hidden and what is absent look alike."""

import logging
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access.errors import Denied, Hidden, RegistryReadOnly, TokenRefused, Unproven
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    CredentialUnknown,
    OrganisationUnknown,
    SignInRefused,
    TeamUnknown,
)
from entrepot.domain.registry import errors as registry
from entrepot.spec.oci import digest, names
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.visiting import FormRefused, FormUnreadable
from entrepot.web.shared.call import Answer, BodyInterrupted, BodyTooLarge, Call, QueryInvalid
from entrepot.web.shared.pace import BodyTooSlow

_log: Final = logging.getLogger(__name__)
_SERVER_ERROR: Final = 500
_NOT_FOUND: Final = 404


class AddressUnknown(EntrepotError):
    """No page lies at that address."""

    summary = "there is no page at this address"


class FactorAsked(EntrepotError):
    """Whoever asks is in an organisation that asks its members for a second factor, and has none."""

    summary = "the organisation '{name}' asks its members for a second factor: turn yours on"


STATUSES: Final[dict[type[EntrepotError], int]] = {
    AddressUnknown: 404,
    Unproven: 404,
    Hidden: 404,
    registry.RepositoryUnknown: 404,
    registry.ManifestUnknown: 404,
    registry.BlobUnknown: 404,
    registry.NamespaceUnknown: 404,
    names.NameInvalid: 404,
    names.TagInvalid: 404,
    digest.DigestInvalid: 404,
    CredentialUnknown: 404,
    AccountUnknown: 404,
    OrganisationUnknown: 404,
    TeamUnknown: 404,
    RegistryReadOnly: 503,
    TokenRefused: 401,
    SignInRefused: 401,
    Denied: 403,
    FactorAsked: 403,
    FormRefused: 403,
    FormUnreadable: 400,
    BodyTooLarge: 413,
    BodyInterrupted: 400,
    BodyTooSlow: 408,
    QueryInvalid: 400,
    Unavailable: 503,
}


class ProblemPage(msgspec.Struct, frozen=True):
    """What is said: `sought` is the image that was asked for, if it was one, and `has_not` what is not in it though it is there.

    `request` leads the administrator to the log; `is_read_only` tells that nothing may be changed at the moment.
    """

    status: int
    sought: str
    has_not: str
    request: str
    is_read_only: bool = False
    asks_factor: str = ""  # the organisation that asks the reader for a second factor


def problem(error: Exception, call: Call, frame: Frame, sought: str = "") -> Answer:
    """Return the page for an error; one without a row is a mistake of ours, which the log describes."""
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), _SERVER_ERROR)
    if status >= _SERVER_ERROR:
        call.failure = error
        if not isinstance(error, EntrepotError):
            _log.error("request_failed", extra=call.about(), exc_info=error)
    template = "not_found.html" if status == _NOT_FOUND or isinstance(error, Denied) else "problem.html"
    if isinstance(error, AddressUnknown):
        sought = ""
    has_not = str(error.facts.get("reference", "")) if isinstance(error, registry.ManifestUnknown) else ""
    asks_factor = str(error.facts["name"]) if isinstance(error, FactorAsked) else ""
    shown = ProblemPage(status, sought, has_not, call.id.decode(), isinstance(error, RegistryReadOnly), asks_factor)
    answer = page(call, frame, template, shown, status)
    if isinstance(error, Unavailable):
        answer.headers.append((b"retry-after", b"%d" % error.retry_after_s))
    return answer
