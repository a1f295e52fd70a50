"""Asking the kernel to begin writing dirty pages now, so that the sync at an upload's end finds little left to do."""

import ctypes
import os
from collections.abc import Callable
from typing import Final

_SYNC_FILE_RANGE_WRITE: Final = 2  # linux/fs.h: start writing, do not wait


def _found() -> Callable[[int, int, int, int], int] | None:
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call


_SYNC_FILE_RANGE: Final = _found()


def start_writeback(file: int, offset: int, size: int) -> None:
    """Start writing `size` bytes at `offset`; only a hint, whose failure changes nothing. `fsync` is still needed."""
    if _SYNC_FILE_RANGE is not None and size:
        _SYNC_FILE_RANGE(file, offset & ~(os.sysconf("SC_PAGE_SIZE") - 1), size, _SYNC_FILE_RANGE_WRITE)
