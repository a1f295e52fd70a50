"""Short-lived signed texts: JSON Web Tokens (RFC 7519) by ES256, each kind with a type and an audience of its own.

A token names its key (`kid`, the thumbprint of RFC 7638), so that keys can be changed while tokens of the earlier one run out.
Only ES256 is ever accepted, whatever a token says of itself, and only for the kind that is asked for.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from entrepot.base.errors import EntrepotError

_ALGORITHM: Final = "ES256"
_LEEWAY_S: Final = 10
_NEEDED: Final = ("exp", "iat", "aud", "sub")
_COORDINATE_BYTES: Final = 32


class SignatureRefused(EntrepotError):
    """A signed text is not of ours, not of this kind, or its time is over."""

    summary = "the token is not valid"


class SigningKey:
    """A private key; `public` is its JWK (RFC 7517)."""

    def __init__(self, pem: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415 - 40 ms
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        key = load_pem_private_key(pem, None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError("a signing key is an elliptic curve's")
        self._key = key
        numbers = key.public_key().public_numbers()
        about = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
        thumbprint = hashlib.sha256(json.dumps(about, separators=(",", ":"), sort_keys=True).encode()).digest()
        self.id = _base64(thumbprint)
        self.public: dict[str, str] = {**about, "kid": self.id, "use": "sig", "alg": _ALGORITHM}

    def sign(self, claims: Mapping[str, Any], kind: str) -> str:
        """Return a token of this kind."""
        import jwt  # noqa: PLC0415

        return jwt.encode(dict(claims), self._key, algorithm=_ALGORITHM, headers={"kid": self.id, "typ": kind})


def new_key() -> bytes:
    """Return a new private key (P-256) in PEM."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_of(token: str) -> str:
    """Return the id of the key that a token names, '' when it is none. It is only said, not proved."""
    import jwt  # noqa: PLC0415

    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.PyJWTError:
        return ""


def verified(token: str, public: Mapping[str, str], kind: str, audience: str, *, lasting: bool = False) -> dict[str, Any]:
    """Return the claims of a token that the key of this JWK signed, of this kind, for this audience, and in its time.

    One that is `lasting` has no end.

    Raises:
        SignatureRefused
    """
    import jwt  # noqa: PLC0415

    try:
        if jwt.get_unverified_header(token).get("typ") != kind:
            raise SignatureRefused
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(dict(public)),
            algorithms=[_ALGORITHM],
            audience=audience,
            leeway=_LEEWAY_S,
            options={"require": [claim for claim in _NEEDED if not (lasting and claim == "exp")]},
        )
    except jwt.PyJWTError:
        raise SignatureRefused from None
    return claims


def _coordinate(number: int) -> str:
    return _base64(number.to_bytes(_COORDINATE_BYTES, "big"))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
