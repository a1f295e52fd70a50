"""Which state an SQLite database is in, told without asking SQLite: what a query answered holds until this changes.

Before each read SQLite looks into the memory that all its connections share, the file with the ending -shm, whether there was
a commit since the last one. Its first 96 bytes are a header, written twice, that every commit changes: a counter, the log's end
and checksums (SQLite's documentation, "WAL-mode File Format", section 2.1). This module compares the same bytes.
"""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_HEADER: Final = 48
_IS_INITIALISED: Final = 12  # the place of the byte that says so


class Snapshot:
    """The state of a database file that this process has open.

    It must be closed after all connections to the file: on closing any descriptor of a file POSIX drops the locks of the whole
    process on it, SQLite's too.
    """

    def __init__(self, file: Path) -> None:
        self._shared: mmap.mmap | None = None
        # Where there is no such file SQLite shares nothing, and nothing can be told.
        with suppress(OSError, ValueError):
            self._file = os.open(f"{file}-shm", os.O_RDONLY | os.O_CLOEXEC)
            self._shared = mmap.mmap(self._file, 2 * _HEADER, prot=mmap.PROT_READ)

    def state(self) -> bytes | None:
        """Return a value that every commit changes, of whatever process; None while it is being written, or cannot be had."""
        if self._shared is None:
            return None
        first, second = self._shared[:_HEADER], self._shared[_HEADER : 2 * _HEADER]
        return first if first == second and first[_IS_INITIALISED] else None

    def close(self) -> None:
        """Let go of the file."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
            os.close(self._file)
