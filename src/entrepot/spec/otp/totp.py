"""TOTP (RFC 6238) with what every app understands: SHA-1, six digits, steps of 30 seconds; and the address that a QR code holds.

That a code works once is the caller's to see (section 5.2): it is told the step that a code is of, and takes none again.
"""

import base64
import hashlib
import hmac
import os
from typing import Final
from urllib.parse import quote, urlencode

STEP_S: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226, 4: as long as the hash
_DRIFT_STEPS: Final = 1  # section 5.2: one step, for what the network and a clock that is off take


def new_secret() -> bytes:
    """Return a secret that nobody has seen."""
    return os.urandom(SECRET_BYTES)


def code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 4226, 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    place = mac[-1] & 0xF
    number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_of(secret: bytes, given: str, now_s: int) -> int | None:
    """Return the step that a code is of, at most one away from now; None when it is of none."""
    now = now_s // STEP_S
    found = None
    for step in range(now - _DRIFT_STEPS, now + _DRIFT_STEPS + 1):
        if step >= 0 and hmac.compare_digest(code(secret, step).encode(), given.encode("utf-8", "replace")):
            found = step
    return found


def written(secret: bytes) -> str:
    """Return a secret as people type it into an app: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def address(secret: bytes, issuer: str, name: str) -> str:
    """Return the `otpauth:` address that an app reads from a QR code."""
    query = urlencode({"secret": written(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S})
    return f"otpauth://totp/{quote(f'{issuer}:{name}')}?{query}"
