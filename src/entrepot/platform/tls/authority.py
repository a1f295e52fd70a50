"""An authority of our own, for where no other signs: `--tls self-signed` makes it in the data folder.

Clients are told once to trust the authority, which stays for ten years; the certificate that it signs is made anew when it is
about to end or when our names have changed.
"""

import fcntl
import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from entrepot.platform.disk.folders import sync_folder
from entrepot.platform.tls.pairs import CertificateUnusable, Pair, load

FOLDER: Final = "tls"
AUTHORITY: Final = "ca.crt"
_AUTHORITY_KEY: Final = "ca.key"
_SERVER: Final = "server.pem"  # the certificate and its key in one file, so that one rename replaces both
_AUTHORITY_LIFETIME: Final = timedelta(days=3652)
_LIFETIME: Final = timedelta(days=397)  # the longest that clients accept
_RENEWED_BEFORE: Final = timedelta(days=30)
_CLOCKS_DIFFER: Final = timedelta(hours=1)
_LONGEST_COMMON_NAME: Final = 64
_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on


def our_names(listen_host: str, public_url: str) -> list[str]:
    """Return the names and addresses by which clients may reach a registry that listens there."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname().lower()]
    if listen_host not in _EVERY_ADDRESS:
        names.append(listen_host.lower())
    if public_url:
        names.append((urlsplit(public_url).hostname or "").lower())
    entries = [_entry(name.partition("%")[0]) for name in names]
    return list(dict.fromkeys(str(entry.value) for entry in entries if entry is not None))


def ensure(folder: Path, names: list[str]) -> Pair:
    """Return a pair for these names out of the folder; make authority and certificate where they are missing or no longer right.

    Raises:
        CertificateUnusable: what is there is damaged, or nothing can be written.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            certificate, key = _authority(folder)
            try:
                pair = load(folder / _SERVER)
            except CertificateUnusable:
                pair = None
            if pair is None or not _serves(pair, certificate, names):
                _write(folder / _SERVER, _issued(certificate, key, names), 0o600)
                pair = load(folder / _SERVER)
            return pair
    except OSError as error:
        told = f"{error.strerror}. Let this user write there, or name a certificate of your own with --tls"
        raise CertificateUnusable(file=folder, reason=told) from None


def made(folder: Path) -> tuple[Pair, x509.Certificate]:
    """Return the pair and its authority's certificate as they lie in the folder; make nothing.

    Raises:
        CertificateUnusable
    """
    return load(folder / _SERVER), load(folder / AUTHORITY, folder / _AUTHORITY_KEY).chain[0]


def keys(folder: Path) -> list[Path]:
    """Return the files that hold keys."""
    return [folder / _AUTHORITY_KEY, folder / _SERVER]


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority's certificate and key, made now if there is neither."""
    file, key_file = folder / AUTHORITY, folder / _AUTHORITY_KEY
    if not file.exists():
        # The key is written first: without the certificate, which is written last, nothing has begun.
        certificate, key = _new_authority()
        _write(key_file, _private(key), 0o600)
        _write(file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    try:
        pair = load(file, key_file)
    except CertificateUnusable as refused:
        told = f"{refused.facts['reason']}. Restore {folder}, or move it away: the next start makes a new one, to be trusted anew"
        raise CertificateUnusable(file=refused.facts["file"], reason=told) from None
    if not isinstance(pair.key, ec.EllipticCurvePrivateKey):
        told = f"Entrepot did not make it: move {folder} away, and the next start makes a new one"
        raise CertificateUnusable(file=file, reason=told)
    return pair.chain[0], pair.key


def _serves(pair: Pair, authority: x509.Certificate, names: list[str]) -> bool:
    """Tell whether the pair is for exactly these names, of this authority, and not about to end."""
    now = datetime.now(UTC)
    # An authority that ends itself cannot sign for longer: what ends with it is not made anew each time somebody looks.
    lasts = pair.ends_at - now > _RENEWED_BEFORE or pair.ends_at >= authority.not_valid_after_utc
    try:
        pair.chain[0].verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return lasts and now >= pair.begins_at and set(pair.names) == set(names)


def _new_authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    common_name = f"Entrepot on {socket.gethostname()}, {made}"[:_LONGEST_COMMON_NAME]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    began = datetime.now(UTC) - _CLOCKS_DIFFER
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _issued(authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey, names: list[str]) -> bytes:
    """Make a certificate for the names; return it with its new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    began = datetime.now(UTC) - _CLOCKS_DIFFER
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Entrepot")])
    entries = [entry for entry in map(_entry, names) if entry is not None]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        x509.CertificateBuilder(authority.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(min(began + _LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(entries), critical=False)
        .add_extension(issuer_id, critical=False)
    )
    certificate = builder.sign(authority_key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM) + _private(key)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _entry(name: str) -> x509.DNSName | x509.IPAddress | None:
    """Return a name as certificates have it; None when none can have it, such as a host name with an underscore or an umlaut."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    is_name = name.isascii() and all(part and part.replace("-", "").isalnum() for part in name.split("."))
    return x509.DNSName(name) if is_name else None


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(file: Path, content: bytes, mode: int) -> None:
    """Put the file there whole and durably, or not at all; it is never open to more than `mode` allows."""
    scratch = file.with_name(f"{file.name}.new")
    scratch.unlink(missing_ok=True)
    opened = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchmod(opened, mode)
        os.fsync(opened)
    scratch.replace(file)
    sync_folder(file.parent)  # clients are told to trust what must not be another one after a power cut


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from making the same things meanwhile."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
