"""The certificate in force, in memory that the supervisor writes and its workers read; it is never in a file that we make."""

import hashlib
import mmap
import struct
from datetime import UTC, datetime
from typing import Final

from entrepot.platform.tls.pairs import Pair

_ROOM: Final = 1 << 20  # more than what is read of two files of the largest size; only what is used takes memory
_HEAD: Final = struct.Struct("<qqq32s")  # number of the pair, its end in seconds of Unix time, length, digest of all that


class SharedPair:
    """Holds one pair; to be made before the processes that read it are forked. One process writes, without a lock."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ROOM)
        self._memory.madvise(mmap.MADV_DONTDUMP)  # a core dump is no place for a key

    def put(self, pair: Pair) -> None:
        """Let this pair be the one in force."""
        number = self._head()[0] + 1
        ends_at = int(pair.ends_at.timestamp())
        digest = _digest(number, ends_at, pair.pem)
        self._memory[_HEAD.size : _HEAD.size + len(pair.pem)] = pair.pem
        self._memory[: _HEAD.size] = _HEAD.pack(number, ends_at, len(pair.pem), digest)

    def newer(self, than: int) -> tuple[int, bytes] | None:
        """Return number and PEM of the pair in force when its number is another than this.

        While it is being replaced, what is read may be of both: its digest tells, and then there is nothing new yet.
        """
        number, ends_at, length, digest = self._head()
        if number == than:
            return None
        pem = self._memory[_HEAD.size : _HEAD.size + length]
        return (number, pem) if _digest(number, ends_at, pem) == digest else None

    @property
    def ends_at(self) -> datetime:
        """When the certificate in force runs out."""
        return datetime.fromtimestamp(self._head()[1], UTC)

    def _head(self) -> tuple[int, int, int, bytes]:
        return _HEAD.unpack(self._memory[: _HEAD.size])


def _digest(number: int, ends_at: int, pem: bytes) -> bytes:
    return hashlib.sha256(b"%d %d " % (number, ends_at) + pem).digest()
