"""Bytes in pieces, as they came: never joined where that would copy them."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from entrepot.platform.storage.s3.state import Part

_MD5_DIGITS: Final = 32
BATCH_BYTES: Final = 512 << 10  # a step to a thread costs as much as hashing 64 KiB


def size_of(pieces: Sequence[bytes]) -> int:
    """Return how many bytes there are."""
    return sum(map(len, pieces))


def is_batch(pieces: Sequence[bytes]) -> bool:
    """Tell whether pieces are worth a hop to a thread."""
    return size_of(pieces) >= BATCH_BYTES


def feed(hash_: Any, pieces: Sequence[bytes]) -> None:
    """Feed all to a hash."""
    for piece in pieces:
        hash_.update(piece)


async def each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield them."""
    for piece in pieces:
        yield piece


def agree(whole: str, parts: list[Part]) -> bool | None:
    """Tell whether an object's ETag is that of these parts; None where the store makes them by another rule than by MD5 sums."""
    made, hyphen, count = whole.partition("-")
    if not hyphen or not all(part.is_md5 for part in parts) or len(made) != _MD5_DIGITS:
        return None
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return count == str(len(parts)) and made == hashlib.md5(joined, usedforsecurity=False).hexdigest()
