"""The secret of a token: recognisable, so that scanners of sources find one that was published, and with a check of its own.

`PREFIX_` is followed by 32 random characters (190 bits) and 6 that are their CRC-32, all of them letters and digits. What is
stored is its SHA-256: a random secret needs no slow hash.
"""

import hashlib
import re
import secrets
import zlib
from typing import Final

from entrepot.domain.accounts.model import Kind

PREFIXES: Final = {Kind.PERSONAL: "ent_pat", Kind.ORGANISATION: "ent_oat", Kind.ROBOT: "ent_rob"}
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 32
_CHECK: Final = 6
_LINK_BYTES: Final = 32
_FORM: Final = re.compile(f"({'|'.join(PREFIXES.values())})_([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECK}}})")


def new_secret(kind: Kind) -> str:
    """Return a secret that nobody has seen."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{PREFIXES[kind]}_{text}{_check(PREFIXES[kind], text)}"


def new_link_secret() -> str:
    """Return the secret of a link or a session, that nobody has seen: 256 bits."""
    return secrets.token_urlsafe(_LINK_BYTES)


def is_secret(text: str) -> bool:
    """Tell whether the text has the form of a token's secret, its check included: then it is no password."""
    found = _FORM.fullmatch(text)
    return found is not None and _check(found[1], found[2]) == found[3]


def stored(secret: str) -> str:
    """Return what is stored and looked for."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(prefix: str, text: str) -> str:
    number, found = zlib.crc32(f"{prefix}_{text}".encode()), ""
    for _ in range(_CHECK):
        number, place = divmod(number, len(_LETTERS))
        found = _LETTERS[place] + found
    return found
