"""A file that does nothing but take room, so that there is some to give when the disk is full.

On a full disk not even a deletion can be recorded, and nothing would ever give room back. So the ballast is thrown off then: its
file is cut to nothing. An empty ballast means that the room it gave is for deletions and clean-up only. It is made anew when
there is room for it twice.
"""

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from entrepot.platform.disk.folders import sync_folder

_log: Final = logging.getLogger(__name__)
# What the database needs until a collection has given back more: its log, which is emptied at 32 MiB, and as much in its file.
_MOST_BYTES: Final = 64 << 20
# On a disk so small that this would be felt, a share of it; a registry there is small as well.
_SHARE: Final = 16
_FULL_SHARE: Final = 8  # the disk is full when less than this share of a ballast is free
_PIECE_BYTES: Final = 1 << 20
_PAUSE_S: Final = 0.02  # between two pieces: nobody is to feel that it is made
_WORTH_BYTES: Final = 1 << 20
_AGAIN_S: Final = (
    600.0  # after it could not be made: a quota does not show, and each try would write as much as there is room for
)


class Ballast:
    """The ballast of one data folder. Any process may do anything at any time: each step is one call of the kernel."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ballast"
        self._new = folder / "ballast.new"
        self._make_after = 0.0

    def held_bytes(self) -> int | None:
        """Return how much room it takes: 0 when it was thrown off, None when it was never made here. Raises OSError."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return None

    def due_bytes(self) -> int:
        """Return how much room it should take on this disk. Raises OSError."""
        about = os.statvfs(self._folder)
        return min(_MOST_BYTES, about.f_blocks * about.f_frsize // _SHARE)

    def relieve(self, *, certain: bool = False) -> bool:
        """Throw it off if the disk is full, or if that is `certain`: a quota does not show.

        Return whether what failed for lack of room is worth another try; another process may have thrown it off just before.
        """
        try:
            free = self._free()
            if not certain and free >= self.due_bytes() // _FULL_SHARE:
                return False
            given = self._release(free)
            return self._release_unfinished() or given or self._free() >= _WORTH_BYTES
        except OSError:
            return False  # the disk has worse troubles

    def look(self) -> None:
        """Throw it off when others have filled the disk, and make it when there is room for it. Raises OSError."""
        if self.held_bytes():
            self.relieve()
            return
        size = self.due_bytes()
        if self._free() < 2 * size:
            self.relieve()  # of what a maker left that was killed
        elif time.monotonic() >= self._make_after:
            self._make_after = time.monotonic() + _AGAIN_S
            self._make(size)
            self._make_after = 0.0

    def _free(self) -> int:
        about = os.statvfs(self._folder)
        return about.f_bavail * about.f_frsize

    def _release(self, free: int) -> bool:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            size = os.fstat(file).st_size
            # Not unlinked: a backup, or a child that was forked at the wrong moment, may have it open; nothing would come free.
            os.ftruncate(file, 0)
            os.fsync(file)  # a journal gives blocks out again only when it has noted that they are free
        finally:
            os.close(file)
        if size:
            _log.warning("ballast_released", extra={"size_bytes": size, "free_bytes": free})
        return size > 0

    def _release_unfinished(self) -> bool:
        """Cut what a maker left that was killed; one that lives does so itself when it meets the full disk."""
        try:
            file = os.open(self._new, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(file).st_size
            if not size or not os.path.samestat(os.fstat(file), self._new.stat()):
                return False
            os.ftruncate(file, 0)
            os.fsync(file)
        except (BlockingIOError, FileNotFoundError):
            return False  # it is being made, or has just been
        finally:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)
        return True

    def _make(self, size: int) -> None:
        """Fill a new file and give it the ballast's name; it is never seen half made."""
        file = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), self._new.stat()):  # else another process has just made it
                self._fill(file, size)
        except BlockingIOError:
            pass  # another process makes it
        finally:
            with suppress(OSError):  # said, and not left to the end of the file: a child forked meanwhile would keep the lock
                fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)

    def _fill(self, file: int, size: int) -> None:
        try:
            os.ftruncate(file, 0)
            for place in range(0, size, _PIECE_BYTES):
                # Random: zeros take no room where a file system compresses, nor equal pieces where it stores them once.
                os.pwrite(file, os.urandom(min(_PIECE_BYTES, size - place)), place)
                time.sleep(_PAUSE_S)
            os.fsync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, 0)
            raise
        self._new.rename(self._path)
        sync_folder(self._folder)
        _log.info("ballast_made", extra={"size_bytes": size})
