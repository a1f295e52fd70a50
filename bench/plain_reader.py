"""Reads the files below a folder past the page cache, round after round: `python -m bench.plain_reader FOLDER BYTES_A_SECOND`.

It takes a processor only when nobody else wants it and looks at nothing that it reads, so that what it costs others is what
reading costs on this machine, whoever does it.
"""

import mmap
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20


def main() -> None:
    """Read until killed."""
    folder, bytes_a_second = Path(sys.argv[1]), float(sys.argv[2])
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):  # no such groups here
        Path("/proc/self/autogroup").write_text("19", "ascii")
    due = time.monotonic()
    for size in _pieces(folder):
        due += size / bytes_a_second
        time.sleep(max(0.0, due - time.monotonic()))


def _pieces(folder: Path) -> Iterator[int]:
    """Yield the size of each piece that was read, for ever."""
    into = mmap.mmap(-1, _PIECE)
    while True:
        for path in folder.rglob("*.*"):
            file = os.open(path, os.O_RDONLY | os.O_DIRECT)
            try:
                place = 0
                while got := os.preadv(file, [into], place):
                    place += got
                    yield got
            finally:
                os.close(file)


if __name__ == "__main__":
    main()
