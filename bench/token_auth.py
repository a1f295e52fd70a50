"""What Docker's registry with token authentication trusts: a certificate of the run's own, and tokens that its key signs.

distribution 2.8 (`registry/auth/token`) wants the certificate in the token's header, and finds it in its bundle of roots.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

SERVICE: Final = "bench"
_ISSUER: Final = "bench"
_DAY: Final = timedelta(days=1)


class Authority:
    """Signs tokens; its certificate lies in the folder."""

    def __init__(self, folder: Path) -> None:
        self._key = generate_private_key(SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _ISSUER)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
        certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, SHA256()
        )
        self._certificate = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        self._bundle = folder / "token-authority.pem"
        self._bundle.write_bytes(certificate.public_bytes(Encoding.PEM))

    @property
    def environment(self) -> Mapping[str, str]:
        """Return what switches token authentication on."""
        about = {"REALM": "http://localhost/token", "SERVICE": SERVICE, "ISSUER": _ISSUER, "ROOTCERTBUNDLE": str(self._bundle)}
        return {f"REGISTRY_AUTH_TOKEN_{name}": value for name, value in about.items()}

    def token(self, repository: str) -> str:
        """Return a token to pull from a repository."""
        now = datetime.now(UTC)
        claims = {
            "iss": _ISSUER,
            "sub": "admin",
            "aud": SERVICE,
            "iat": now,
            "nbf": now - _DAY / 24,
            "exp": now + _DAY / 24,
            "jti": repository,
            "access": [{"type": "repository", "name": repository, "actions": ["pull"]}],
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"x5c": [self._certificate]})
