"""What the doctor says about the certificate."""

import contextlib
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.utils import CryptographyDeprecationWarning

from entrepot.base.findings import Finding, error, ok, warning
from entrepot.platform.tls.keeper import WARNED_BEFORE
from entrepot.platform.tls.pairs import CertificateUnusable, Pair, shown

_CHECK: Final = "certificate"
_RENEW: Final = "renew it; a running service takes the new one by itself, within a minute"


def check_certificate(read: Callable[[], Pair], keys: Sequence[Path], public_host: str, *, own: Path | None) -> list[Finding]:
    """Look at dates, names and chain, and who may read the keys; `own` is our own authority's folder if it is the one in use."""
    if own is not None and not own.exists():
        return [warning(_CHECK, f"{own} is not there: the next start makes it", "start the service, then let clients trust it")]
    try:
        pair = read()
    except CertificateUnusable as refused:
        return [error(_CHECK, refused.message, "until then a start fails, and what is served is the certificate of before")]
    found = [*_dates(pair, own), *_names(pair, public_host), *_keys(keys)]
    if own is None:
        found += [*_chain(pair), *_issuers(pair)]
    return found or [ok(_CHECK, f"valid until {shown(pair.ends_at)}, for {', '.join(pair.names)}")]


def _dates(pair: Pair, own: Path | None) -> Iterator[Finding]:
    if wrong := pair.wrong_time():
        yield error(_CHECK, wrong, f"start the service with this data folder: it renews {own}" if own else _RENEW)
    elif pair.ends_at - datetime.now(UTC) <= WARNED_BEFORE:
        advice = f"its authority ends: move {own} away, start the service, and let clients trust the new one" if own else _RENEW
        yield warning(_CHECK, f"it ends on {shown(pair.ends_at)}", advice)


def _issuers(pair: Pair) -> Iterator[Finding]:
    for issuer in pair.chain[1:]:
        if issuer.not_valid_after_utc - datetime.now(UTC) <= WARNED_BEFORE:
            told = f"{_name(issuer)} in the chain ends on {shown(issuer.not_valid_after_utc)}"
            yield warning(_CHECK, told, "get the chain anew from who issued the certificate")


def _names(pair: Pair, public_host: str) -> Iterator[Finding]:
    if not pair.names:
        yield error(
            _CHECK, "it names no host (no subjectAltName), so that every client refuses it", "have it made with its names"
        )
    elif public_host and not pair.fits(public_host):
        told = f"it is for {', '.join(pair.names)}, not for {public_host}, the name in --public-url: clients refuse it"
        yield error(_CHECK, told, f"have one made for {public_host}, or correct --public-url")


def _keys(keys: Sequence[Path]) -> Iterator[Finding]:
    for key in keys:
        if key.stat().st_mode & 0o007:
            yield warning(_CHECK, f"its key {key} is open to every user of this machine", f"chmod o= {key}")


def _chain(pair: Pair) -> Iterator[Finding]:
    """Look whether each certificate is followed by its issuer, up to one that this machine trusts as a root, or to itself."""
    for certificate, issuer in zip(pair.chain, pair.chain[1:], strict=False):
        if not _issued_by(certificate, issuer):
            told = f"{_name(certificate)} is followed by {_name(issuer)}, which did not issue it: strict clients refuse the chain"
            yield warning(_CHECK, told, "put each certificate before its issuer, the server's own first")
            return
    last = pair.chain[-1]
    if not _issued_by(last, last) and last.issuer not in _roots():
        told = f"the chain ends with {_name(last)}, and its issuer {last.issuer.rfc4514_string()} is no root that is trusted here"
        advice = (
            "name the file with the whole chain (of certbot: fullchain.pem); with a private root that clients trust, all is well"
        )
        yield warning(_CHECK, told, advice)


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _roots() -> set[x509.Name]:
    """Return the names of the roots that this machine trusts."""
    names = set()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", CryptographyDeprecationWarning
        )  # the oddities of other people's roots are not ours to tell
        for der in ssl.create_default_context().get_ca_certs(binary_form=True):
            with contextlib.suppress(ValueError):
                names.add(x509.load_der_x509_certificate(der).subject)
    return names


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"
