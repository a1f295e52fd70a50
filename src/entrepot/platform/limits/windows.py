"""Sliding windows in memory that the processes of one machine share.

A window is 73 buckets of five minutes: the current one and the 72 before it, so that the oldest, of which a part lies outside of
six hours, is counted whole. So a limit is never passed, and a count that has gone comes back at most five minutes late.

Each subject has a place in a table of a fixed size, found by a hash that nobody outside knows. Where all places of its set are
taken, the one that was used longest ago is given away: who counts for more subjects than there are places forgets the quietest.
Processes take turns on a set by a lock of the kernel's, which goes with its holder.
"""

import fcntl
import hashlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from entrepot.base.errors import EntrepotError

BUCKET_S: Final = 300
WINDOW_S: Final = 72 * BUCKET_S
_BUCKETS: Final = WINDOW_S // BUCKET_S + 1
_WORD: Final = 4
_KEY_BYTES: Final = 16
_KEY_WORDS: Final = _KEY_BYTES // _WORD
_NEWEST: Final = _KEY_WORDS  # the number of the newest bucket
_TOTAL: Final = _NEWEST + 1  # what all buckets have together
_COUNTS: Final = _TOTAL + 1
_PLACE_WORDS: Final = _COUNTS + _BUCKETS
_PLACE_BYTES: Final = _PLACE_WORDS * _WORD
_WAYS: Final = 8
_SETS: Final = 8192  # 65,536 subjects in 20 MB, of which only what is used is there
_MOST: Final = 2**32 - 1
_MAGIC: Final = b"entrepot limits 2\n"


class LimitsAway(EntrepotError):
    """The server that counts does not answer."""

    summary = "the server that counts pulls does not answer"


class Taken(NamedTuple):
    """What a subject has left; `bucket` is where one was counted, and `retry_after_s` when one comes free, if none is left."""

    allowed: bool
    remaining: int
    bucket: int
    retry_after_s: int


class Windows(Protocol):
    """Counts, for every process that counts the same. Every method may raise LimitsAway."""

    async def take(self, subject: str, limit: int) -> Taken:
        """Count one if fewer than `limit` were counted in the window."""

    async def give_back(self, subject: str, bucket: int) -> None:
        """Take back one that was counted."""

    async def look(self, subject: str, limit: int) -> Taken:
        """Tell what is left, and count nothing."""


class SharedWindows:
    """Windows of one machine; made before the processes are forked. `clock` gives seconds since 1970 UTC."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._file = os.memfd_create("entrepot-limits")
        size = _SETS * _WAYS * _PLACE_BYTES
        os.ftruncate(self._file, size)
        self._memory = mmap.mmap(self._file, size)
        self._words = memoryview(self._memory).cast("I")
        self._secret = os.urandom(_KEY_BYTES)

    async def take(self, subject: str, limit: int) -> Taken:
        """Count one if fewer than `limit` were counted in the window."""
        return self._ask(subject, limit, count=True)

    async def look(self, subject: str, limit: int) -> Taken:
        """Tell what is left, and count nothing."""
        return self._ask(subject, limit, count=False)

    async def give_back(self, subject: str, bucket: int) -> None:
        """Take back one that was counted, unless the window has passed it."""
        key, set_ = self._key(subject)
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, set_)
        try:
            at = self._find(key, set_)
            if at is not None and bucket > self._words[at + _NEWEST] - _BUCKETS:
                place = at + _COUNTS + bucket % _BUCKETS
                if self._words[place]:
                    self._words[place] -= 1
                    self._words[at + _TOTAL] -= 1
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, set_)

    def _ask(self, subject: str, limit: int, *, count: bool) -> Taken:
        now = self._clock()
        bucket = int(now) // BUCKET_S
        key, set_ = self._key(subject)
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, set_)  # with every pull: a block of its own would cost as much as the lock
        try:
            at = self._find(key, set_)
            if at is None:
                if not count:
                    return Taken(limit > 0, limit, bucket, 0)
                at = self._give_away(key, set_, bucket)
            self._advance(at, bucket)
            words = self._words
            used = words[at + _TOTAL]
            allowed = used < min(limit, _MOST)
            if count and allowed:
                used += 1
                words[at + _TOTAL] = used
                words[at + _COUNTS + bucket % _BUCKETS] += 1
            if used < limit:
                return Taken(allowed, limit - used, bucket, 0)
            counts = words[at + _COUNTS : at + _PLACE_WORDS]
            return Taken(allowed, 0, bucket, _frees_in_s(counts, bucket, used - limit, now))
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, set_)

    def _key(self, subject: str) -> tuple[bytes, int]:
        key = hashlib.blake2b(subject.encode(), digest_size=_KEY_BYTES, key=self._secret).digest()
        return key, int.from_bytes(key[:_WORD], "little") % _SETS

    def _find(self, key: bytes, set_: int) -> int | None:
        """Return the first word of a subject's place."""
        first = set_ * _WAYS * _PLACE_BYTES
        for place in range(first, first + _WAYS * _PLACE_BYTES, _PLACE_BYTES):
            if self._memory[place : place + _KEY_BYTES] == key:
                return place // _WORD
        return None

    def _give_away(self, key: bytes, set_: int, bucket: int) -> int:
        """Give the place of the set that was used longest ago to a subject that has none."""
        first = set_ * _WAYS * _PLACE_WORDS
        at = min(range(first, first + _WAYS * _PLACE_WORDS, _PLACE_WORDS), key=lambda place: self._words[place + _NEWEST])
        self._words[at : at + _PLACE_WORDS] = memoryview(bytes(_PLACE_BYTES)).cast("I")
        self._memory[at * _WORD : at * _WORD + _KEY_BYTES] = key
        self._words[at + _NEWEST] = bucket
        return at

    def _advance(self, at: int, bucket: int) -> None:
        """Forget the buckets that the window has passed; a clock that was set back forgets nothing."""
        newest = self._words[at + _NEWEST]
        if bucket <= newest:
            return
        for passed in range(newest + 1, min(bucket, newest + _BUCKETS) + 1):
            self._words[at + _COUNTS + passed % _BUCKETS] = 0
        # Counted anew, as a process may have been killed between two words.
        self._words[at + _TOTAL] = sum(self._words[at + _COUNTS : at + _PLACE_WORDS])
        self._words[at + _NEWEST] = bucket

    def save(self, file: Path) -> None:
        """Write what was counted into a file, in whose place it comes whole; a loss of power may leave the one before.

        Raises:
            OSError
        """
        used = [place for place in range(0, len(self._words), _PLACE_WORDS) if self._words[place + _NEWEST]]
        scratch = file.with_name(f"{file.name}.new")
        with scratch.open("wb") as opened:
            opened.write(_MAGIC + self._secret)
            for place in used:
                opened.write(self._memory[place * _WORD : place * _WORD + _PLACE_BYTES])
        scratch.replace(file)

    def load(self, file: Path) -> int:
        """Go on with what `save` wrote; return how many subjects were there. A file that is none of ours counts as none.

        To be called before the processes are forked. Raises OSError.
        """
        content = file.read_bytes()
        head = len(_MAGIC) + _KEY_BYTES
        places = len(content) - head
        if not content.startswith(_MAGIC) or places < 0 or places % _PLACE_BYTES:
            return 0
        self._secret = content[len(_MAGIC) : head]
        newest = int(self._clock()) // BUCKET_S
        loaded = 0
        for place in range(head, len(content), _PLACE_BYTES):
            record = memoryview(content[place : place + _PLACE_BYTES])
            bucket = record.cast("I")[_NEWEST]
            if newest - _BUCKETS < bucket <= newest:
                at = self._free(int.from_bytes(record[:_WORD], "little") % _SETS)
                if at is not None:
                    self._words[at : at + _PLACE_WORDS] = record.cast("I")
                    loaded += 1
        return loaded

    def _free(self, set_: int) -> int | None:
        first = set_ * _WAYS * _PLACE_WORDS
        places = range(first, first + _WAYS * _PLACE_WORDS, _PLACE_WORDS)
        return next((place for place in places if not self._words[place + _NEWEST]), None)


def _frees_in_s(counts: memoryview, bucket: int, over: int, now: float) -> int:
    """Return in how many seconds the window has passed more than `over` counts."""
    for passed in range(bucket - _BUCKETS + 1, bucket + 1):
        over -= counts[passed % _BUCKETS]
        if over < 0:
            return max((passed + _BUCKETS) * BUCKET_S - int(now), 1)
    return BUCKET_S
