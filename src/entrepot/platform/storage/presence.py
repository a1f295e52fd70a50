"""Telling a file that is not there from a disk that is not there.

A disk that was unmounted leaves an empty folder, in which no file is found. The folders of the store are made at each start and
stay for ever: so where one of them is missing, the disk is, and nothing may be taken for lost.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrepot.platform.storage.driver import StorageAway


@contextmanager
def folder_of(path: Path) -> Iterator[int]:
    """Open the folder of a file that was not found, and look for it again in there: the disk may come back in between.

    Raises:
        StorageAway
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise StorageAway("storage") from error
    try:
        yield folder
    finally:
        os.close(folder)


def size_of(path: Path) -> int | None:
    """Return a file's size in bytes, None when it is missing. Raises StorageAway, OSError."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        with folder_of(path) as folder:
            try:
                return os.stat(path.name, dir_fd=folder).st_size
            except FileNotFoundError:
                return None


def unlink(path: Path) -> None:
    """Delete a file that may be missing. Raises StorageAway, OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        with folder_of(path) as folder:
            try:
                os.unlink(path.name, dir_fd=folder)
            except FileNotFoundError:
                return
