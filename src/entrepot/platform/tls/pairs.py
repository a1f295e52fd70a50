"""A certificate chain with its private key, read from PEM files and checked before anybody serves with it."""

import re
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from entrepot.base.errors import EntrepotError

_MOST_BYTES: Final = 256 << 10  # a chain of five with its key has 10 KB
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_SMALLEST_RSA_BITS: Final = 2048
_CURVES: Final = ("secp256r1", "secp384r1")
_PEM: Final = serialization.Encoding.PEM


class CertificateUnusable(EntrepotError):
    """The files of --tls and --tls-key hold nothing that can be served with."""

    summary = "HTTPS cannot be served with {file}: {reason}"


class Pair:
    """A chain, the server's own certificate first, and its key."""

    def __init__(self, chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
        self.chain = chain
        self.key = key

    @cached_property
    def pem(self) -> bytes:
        """The chain and then the key, in the one form that every TLS library reads (PKCS#8)."""
        key = self.key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return b"".join(each.public_bytes(_PEM) for each in self.chain) + key

    @property
    def begins_at(self) -> datetime:
        """When the server's own certificate becomes valid."""
        return self.chain[0].not_valid_before_utc

    @property
    def ends_at(self) -> datetime:
        """When it runs out. Its issuers are not counted: clients find another way past one that has ended."""
        return self.chain[0].not_valid_after_utc

    @property
    def names(self) -> list[str]:
        """The host names and addresses that the certificate is for."""
        try:
            names = self.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            return []
        return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]

    def wrong_time(self, now: datetime | None = None) -> str:
        """Say in words when the certificate is not valid now, '' when it is."""
        now = now or datetime.now(UTC)
        if now >= self.ends_at:
            return f"the certificate expired on {shown(self.ends_at)}"
        if now < self.begins_at:
            return f"the certificate is valid only from {shown(self.begins_at)} on: is the clock of this machine right?"
        return ""

    def fits(self, host: str) -> bool:
        """Tell whether clients accept the certificate for this host name or address."""
        host = host.lower()
        wild = f"*.{host.partition('.')[2]}"
        return any(name.lower() in (host, wild) for name in self.names)


def shown(moment: datetime) -> str:
    """Return a moment as people and programs read it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def load(certificate: Path, key: Path | None = None) -> Pair:
    """Read a chain and its key; without `key` it stands in the certificate's file. Dates are the caller's to judge.

    Raises:
        CertificateUnusable
    """
    chain = _chain(certificate)
    file = key or certificate
    private = _key(file, apart=key is not None)
    fitting = [place for place, each in enumerate(chain) if _same(each.public_key(), private.public_key())]
    if not fitting:
        told = f"the key in {file} does not belong to the certificate: name the key that the certificate was made for"
        raise CertificateUnusable(file=certificate, reason=told)
    if fitting[0] != 0:
        told = f"the server's own certificate must come first, it is number {fitting[0] + 1}: put it before its issuers"
        raise CertificateUnusable(file=certificate, reason=told)
    return Pair(chain, private)


def _chain(file: Path) -> list[x509.Certificate]:
    blocks = [block for label, block in _blocks(file) if label == b"CERTIFICATE"]
    if not blocks:
        told = "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----): name the file with the certificate chain"
        raise CertificateUnusable(file=file, reason=told)
    try:
        return [x509.load_pem_x509_certificate(block) for block in blocks]
    except ValueError:
        raise CertificateUnusable(file=file, reason="a certificate in it is damaged: copy the file anew") from None


def _key(file: Path, *, apart: bool) -> PrivateKeyTypes:
    blocks = [(label, block) for label, block in _blocks(file) if label.endswith(b"PRIVATE KEY")]
    if not blocks:
        advice = "name the file with the key" if apart else "name the file with the key by --tls-key"
        raise CertificateUnusable(file=file, reason=f"it holds no private key in PEM form: {advice}")
    label, block = blocks[0]
    if label.startswith(b"ENCRYPTED") or b"\nProc-Type: 4,ENCRYPTED" in block:
        told = f"its key is encrypted, and nobody is there to type the passphrase: `openssl pkey -in {file} -out NEW` removes it"
        raise CertificateUnusable(file=file, reason=told)
    try:
        key = serialization.load_pem_private_key(block, None)
    except UnsupportedAlgorithm:
        raise CertificateUnusable(file=file, reason=_unsupported("of this kind")) from None
    except (ValueError, TypeError):
        raise CertificateUnusable(file=file, reason="its key is damaged: copy the file anew") from None
    _check_kind(file, key)
    return key


def _check_kind(file: Path, key: PrivateKeyTypes) -> None:
    """Do nothing when the server can sign with keys of this kind."""
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size >= _SMALLEST_RSA_BITS:
            return
        kind = f"of RSA with {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name in _CURVES:
            return
        kind = f"on the curve {key.curve.name}"
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        return
    else:
        kind = "of this kind"
    raise CertificateUnusable(file=file, reason=_unsupported(kind))


def _unsupported(kind: str) -> str:
    return f"keys {kind} are not served with: take RSA of 2048 bits or more, EC P-256 or P-384, or Ed25519"


def _blocks(file: Path) -> list[tuple[bytes, bytes]]:
    """Return the PEM blocks of a file with their labels."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        told = f"{error.strerror}. Correct --tls and --tls-key, or let this user read it"
        raise CertificateUnusable(file=file, reason=told) from None
    if len(content) > _MOST_BYTES:
        raise CertificateUnusable(file=file, reason=f"it has more than {_MOST_BYTES} bytes: it is no certificate chain")
    blocks = [(match[1], match[0]) for match in _BLOCK.finditer(content)]
    if content.count(b"-----BEGIN ") != len(blocks):
        # A chain that lacks its last certificate could be served, and clients would refuse it.
        raise CertificateUnusable(file=file, reason="a part of it has no end: is it still being written? Copy the file anew")
    return blocks


def _same(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return one.public_bytes(*form) == other.public_bytes(*form)
