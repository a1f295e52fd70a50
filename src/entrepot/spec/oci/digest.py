"""Content digests: image-spec 1.1 "Descriptors", section "Digests".

Anything that parses is canonical, so two equal digests compare equal as strings.
"""

import hashlib
import re
from typing import Final, Self

import msgspec

from entrepot.base.errors import EntrepotError

SHA256: Final = "sha256"
_HEX_LENGTH: Final = {SHA256: 64, "sha512": 128}
ALGORITHMS: Final = tuple(_HEX_LENGTH)
_SHAPE: Final = re.compile(r"([a-z0-9]+):([a-f0-9]+)")


class DigestInvalid(EntrepotError):
    """The text is not a digest, or not one of an algorithm that we accept."""

    summary = "'{digest}' is not a digest that this registry accepts: sha256: with 64 or sha512: with 128 lower-case hex digits"


class AlgorithmUnknown(DigestInvalid):
    """The named digest algorithm is not one that we can compute."""

    summary = "digest algorithm '{algorithm}' is not supported: use sha256 or sha512"


class Digest(msgspec.Struct, frozen=True):
    """An algorithm and a lower-case hexadecimal sum, for example `sha256:2c26b4…`."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text` as a digest.

        Raises:
            DigestInvalid: wrong shape, unknown algorithm, or wrong length for the algorithm.
        """
        match = _SHAPE.fullmatch(text)
        if match is None or _HEX_LENGTH.get(match[1]) != len(match[2]):
            raise DigestInvalid(digest=text)
        return cls(match[1], match[2])

    @classmethod
    def of(cls, content: bytes, algorithm: str = SHA256) -> Self:
        """Compute the digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def parse_algorithm(text: str) -> str:
    """Return `text` when it names an algorithm that we compute.

    Raises:
        AlgorithmUnknown: it does not.
    """
    if text not in _HEX_LENGTH:
        raise AlgorithmUnknown(algorithm=text)
    return text
