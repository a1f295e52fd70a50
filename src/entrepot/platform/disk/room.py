"""Whether there is room for what is about to be stored: asked before a body is read, in a few microseconds."""

import errno
import os
from pathlib import Path
from typing import Final

from entrepot.platform.disk.ballast import Ballast

# Each blob is a file, and so is what the database makes beside its own.
_LEAST_INODES: Final = 100


class Room:
    """The room on the disk of one data folder, of which `min_free_bytes` are left to others; 0 leaves them nothing."""

    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        self._folder = str(folder)
        self._min_free_bytes = min_free_bytes
        self.ballast = Ballast(folder)

    def lacks(self, size_bytes: int) -> bool:
        """Tell whether so many more bytes are too many. Raises OSError, with EROFS when nothing can be written at all."""
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
        return too_many_files or about.f_bavail * about.f_frsize - size_bytes < self._min_free_bytes
