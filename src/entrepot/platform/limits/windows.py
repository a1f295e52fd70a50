"""Sliding windows in memory that the processes of one machine share.

A window is 73 buckets of five minutes: the current one and the 72 before it, so that the oldest, of which a part lies outside of
six hours, is counted whole. So a limit is never passed, and a count that has gone comes back at most five minutes late.

Each subject has a place in a table of a fixed size, found by a hash that nobody outside knows. Where all places of its set are
taken, the one that was used longest ago is given away: who counts for more subjects than there are places forgets the quietest.
The keys of a set lie together, before all counts. A key is the subject itself where that is short, and else its digest.
"""

import hashlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from entrepot.base.errors import EntrepotError
from entrepot.platform.limits.turns import Turns

BUCKET_S: Final = 300
WINDOW_S: Final = 72 * BUCKET_S
_BUCKETS: Final = WINDOW_S // BUCKET_S + 1
_WORD: Final = 4
_KEY_BYTES: Final = 32
_NEWEST: Final = 0  # the number of the newest bucket
_TOTAL: Final = _NEWEST + 1  # what all buckets have together
_COUNTS: Final = _TOTAL + 1
_PLACE_WORDS: Final = _COUNTS + _BUCKETS
_PLACE_BYTES: Final = _PLACE_WORDS * _WORD
_RECORD_BYTES: Final = _KEY_BYTES + _PLACE_BYTES  # in the file
_WAYS: Final = 8
_SETS: Final = 8192  # 65,536 subjects in 20 MB, of which only what is used is there
_NOTHING: Final = memoryview(bytes(_PLACE_BYTES)).cast("I")
_MOST: Final = 2**32 - 1
_TURNS: Final = 32
_MAGIC: Final = b"entrepot limits 3\n"


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
        keys, counts = _SETS * _WAYS * _KEY_BYTES, _SETS * _WAYS * _PLACE_BYTES
        os.ftruncate(self._file, keys + counts)
        self._memory = mmap.mmap(self._file, keys + counts)
        self._keys = memoryview(self._memory)[:keys]
        self._words = memoryview(self._memory)[keys:].cast("I")
        self._turns = Turns(_TURNS)

    async def take(self, subject: str, limit: int) -> Taken:
        """Count one if fewer than `limit` were counted in the window."""
        return self._ask(subject, limit, count=True)

    async def look(self, subject: str, limit: int) -> Taken:
        """Tell what is left, and count nothing."""
        return self._ask(subject, limit, count=False)

    async def give_back(self, subject: str, bucket: int) -> None:
        """Take back one that was counted, unless the window has passed it."""
        key, set_ = self._key(subject)
        self._turns.take(set_)
        try:
            at = self._find(key, set_)
            if at is not None and bucket > self._words[at + _NEWEST] - _BUCKETS:
                place = at + _COUNTS + bucket % _BUCKETS
                if self._words[place]:
                    self._words[place] -= 1
                    self._words[at + _TOTAL] -= 1
        finally:
            self._turns.give(set_)

    def _ask(self, subject: str, limit: int, *, count: bool) -> Taken:
        now = self._clock()
        bucket = int(now) // BUCKET_S
        key, set_ = self._key(subject)
        self._turns.take(set_)
        try:
            at = self._find(key, set_)
            if at is None:
                if not count:
                    return Taken(limit > 0, limit, bucket, 0)
                at = self._give_away(key, set_, bucket)
            words = self._words
            if words[at + _NEWEST] < bucket:
                self._advance(at, bucket)
            used = words[at + _TOTAL]
            allowed = used < limit and used < _MOST
            if count and allowed:
                used += 1
                words[at + _TOTAL] = used
                words[at + _COUNTS + bucket % _BUCKETS] += 1
            if used < limit:
                return Taken(allowed, limit - used, bucket, 0)
            counts = words[at + _COUNTS : at + _PLACE_WORDS]
            return Taken(allowed, 0, bucket, _frees_in_s(counts, bucket, used - limit, now))
        finally:
            self._turns.give(set_)

    def _key(self, subject: str) -> tuple[bytes, int]:
        """Return the key, and the set, which a secret of the interpreter decides: forked processes share it."""
        key = subject.encode()
        if len(key) > _KEY_BYTES or not key.isascii():
            key = hashlib.blake2b(key, digest_size=_KEY_BYTES).digest()
        key = key.ljust(_KEY_BYTES, b"\0")
        return key, hash(key) % _SETS

    def _find(self, key: bytes, set_: int) -> int | None:
        """Return the first word of a subject's place."""
        first = set_ * _WAYS
        at = self._memory[first * _KEY_BYTES : (first + _WAYS) * _KEY_BYTES].find(key)
        # A key that begins within another is as unlikely as two that are alike.
        return None if at < 0 or at % _KEY_BYTES else (first + at // _KEY_BYTES) * _PLACE_WORDS

    def _give_away(self, key: bytes, set_: int, bucket: int) -> int:
        """Give the place of the set that was used longest ago to a subject that has none."""
        first = set_ * _WAYS
        newest = self._words[first * _PLACE_WORDS + _NEWEST : (first + _WAYS) * _PLACE_WORDS : _PLACE_WORDS].tolist()
        place = first + newest.index(min(newest))
        at = place * _PLACE_WORDS
        if self._words[at + _NEWEST]:
            self._words[at : at + _PLACE_WORDS] = _NOTHING
        self._keys[place * _KEY_BYTES : (place + 1) * _KEY_BYTES] = key
        self._words[at + _NEWEST] = bucket
        return at

    def _advance(self, at: int, bucket: int) -> None:
        """Forget the buckets that the window has passed; not to be called when a clock was set back."""
        newest = self._words[at + _NEWEST]
        for passed in range(newest + 1, min(bucket, newest + _BUCKETS) + 1):
            self._words[at + _COUNTS + passed % _BUCKETS] = 0
        # Counted anew, as a process may have been killed between two words.
        self._words[at + _TOTAL] = sum(self._words[at + _COUNTS : at + _PLACE_WORDS])
        self._words[at + _NEWEST] = bucket

    def save(self, file: Path) -> None:
        """Write what is still counted into a file, in whose place it comes whole; a loss of power may leave the one before.

        Raises:
            OSError
        """
        newest = self._words[_NEWEST::_PLACE_WORDS].tolist()
        passed = int(self._clock()) // BUCKET_S - _BUCKETS
        scratch = file.with_name(f"{file.name}.new")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as opened:
            opened.write(_MAGIC)
            for place in (place for place, bucket in enumerate(newest) if bucket > passed):
                opened.write(self._keys[place * _KEY_BYTES : (place + 1) * _KEY_BYTES])
                opened.write(self._words[place * _PLACE_WORDS : (place + 1) * _PLACE_WORDS])
        scratch.replace(file)

    def load(self, file: Path) -> int:
        """Go on with what `save` wrote; return how many subjects were there. A file that is none of ours counts as none.

        To be called before the processes are forked. Raises OSError.
        """
        content = file.read_bytes()
        head = len(_MAGIC)
        if not content.startswith(_MAGIC) or (len(content) - head) % _RECORD_BYTES:
            return 0
        newest = int(self._clock()) // BUCKET_S
        loaded = 0
        for start in range(head, len(content), _RECORD_BYTES):
            key, counts = content[start : start + _KEY_BYTES], content[start + _KEY_BYTES : start + _RECORD_BYTES]
            words = memoryview(counts).cast("I")
            if newest - _BUCKETS < words[_NEWEST] <= newest:
                place = self._free(hash(key) % _SETS)
                if place is not None:
                    self._keys[place * _KEY_BYTES : (place + 1) * _KEY_BYTES] = key
                    self._words[place * _PLACE_WORDS : (place + 1) * _PLACE_WORDS] = words
                    loaded += 1
        return loaded

    def _free(self, set_: int) -> int | None:
        places = range(set_ * _WAYS, (set_ + 1) * _WAYS)
        return next((place for place in places if not self._words[place * _PLACE_WORDS + _NEWEST]), None)


def _frees_in_s(counts: memoryview, bucket: int, over: int, now: float) -> int:
    """Return in how many seconds the window has passed more than `over` counts."""
    for passed in range(bucket - _BUCKETS + 1, bucket + 1):
        over -= counts[passed % _BUCKETS]
        if over < 0:
            return max((passed + _BUCKETS) * BUCKET_S - int(now), 1)
    return BUCKET_S
