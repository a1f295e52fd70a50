"""Whether there is room for what is about to be stored: asked before a body is read, in a few microseconds."""

import errno
import os
from pathlib import Path
from typing import Final, Protocol

from entrepot.platform.disk.ballast import Ballast

# Each blob is a file, and so is what the database makes beside its own.
_LEAST_INODES: Final = 100
# How much of a body may come until it is asked again, and more than of one that has come is on its way to the disk.
_STEP_BYTES: Final = 4 << 20
# What one body can keep from others, which costs its client a header only. A longer one is compared with the room as it comes.
_MOST_CLAIMED_BYTES: Final = 64 << 20


class Counters(Protocol):
    """Numbers of all processes that write to the disk, of which each changes its own row only."""

    def own(self) -> memoryview:
        """Return the row of this process."""

    def sum(self, place: int) -> int:
        """Return the number at one place, added over all rows."""

    def clear_dead(self) -> None:
        """Set to 0 what processes left that are no more."""


class Room:
    """The room on the disk of one data folder, of which `min_free_bytes` are left to others; 0 leaves them nothing.

    `claims` is where all processes count the bytes that are awaited; without it, this one counts its own.
    """

    def __init__(self, folder: Path, min_free_bytes: int, claims: Counters | None = None) -> None:
        self._folder = str(folder)
        self._min_free_bytes = min_free_bytes
        self._claims = claims
        self._claimed = memoryview(bytearray(8)).cast("q") if claims is None else claims.own()
        self._claimed[0] = 0  # the bodies of a process that died have died with it
        self.ballast = Ballast(folder)

    def claim(self, size_bytes: int | None) -> "Claim":
        """Return a claim for a body of so many bytes, None when its length is not told; nothing is counted yet."""
        return Claim(self, size_bytes)

    def count(self, change_bytes: int) -> None:
        """Count so many bytes more, or fewer, as awaited by this process."""
        self._claimed[0] += change_bytes

    def claimed_bytes(self) -> int:
        """Return how many bytes are awaited by all processes."""
        return self._claimed[0] if self._claims is None else self._claims.sum(0)

    def lacks(self, size_bytes: int, *, alone: bool = False) -> bool:
        """Tell whether so many more bytes are too many, beside those that are claimed unless they come `alone`.

        Raises OSError, with EROFS when nothing can be written at all.
        """
        about = os.statvfs(self._folder)
        if about.f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        # What the ballast gave is for deletions: the next push would take it all.
        if self.ballast.held_bytes() == 0:
            return True
        if not self._min_free_bytes:
            return False
        # Some file systems do not count their files, and say 0.
        too_many_files = about.f_files > 0 and about.f_favail < _LEAST_INODES
        left = about.f_bavail * about.f_frsize - size_bytes - self._min_free_bytes
        if too_many_files or alone:
            return too_many_files or left < 0
        if left < self.claimed_bytes() and self._claims is not None:
            self._claims.clear_dead()  # before anybody is refused: nothing of theirs will come
        return left < self.claimed_bytes()


class Claim:
    """The room for one body: counted for all to see since it was last asked for, taken off as bytes come, and gone with `end`."""

    def __init__(self, room: Room, size_bytes: int | None) -> None:
        self._room = room
        self._size_bytes = size_bytes
        self._came = 0
        self._ask_at = 0
        self._counted = 0

    def came(self, size_bytes: int) -> bool:
        """Note that so many more bytes are here; True when it is time to ask whether the rest `fits`."""
        self._came += size_bytes
        return self._came >= self._ask_at and self._came != self._size_bytes

    def fits(self) -> bool:
        """Count what is awaited, and tell whether there is room for it. Raises OSError."""
        self._ask_at = self._came + _STEP_BYTES
        underway = min(self._came, _STEP_BYTES)  # what came last may not be on the disk yet
        # Counted before it is asked: of two that ask in the same moment, at most one finds the last room.
        if self._size_bytes is None:
            awaited = _STEP_BYTES + underway
            self._count(awaited)
        else:
            awaited = max(self._size_bytes - self._came, 0)
            self._count(min(awaited, _MOST_CLAIMED_BYTES) + underway)
        if self._size_bytes is not None and awaited <= _MOST_CLAIMED_BYTES and self._came > 0:
            # All of it has been since it was last asked for, and others found their room beside it: only who counts nothing,
            # another program, can have taken it.
            return not self._room.lacks(awaited, alone=True)
        return not self._room.lacks(awaited - self._counted)

    def end(self) -> None:
        """Count nothing more for the body, whatever became of it."""
        self._count(0)

    def _count(self, size_bytes: int) -> None:
        self._room.count(size_bytes - self._counted)
        self._counted = size_bytes
