"""Another idea of the time for one process and those that it starts: Debian's faketime, by its library."""

from pathlib import Path
from typing import Final

from support.tools import missing, program

_LIBRARY: Final = "libfaketimeMT.so.1"  # the one for programs with threads
# With an offset it takes the moment until which Python sleeps for one of another clock, so that each sleep is for ever.
_WRONG: Final = b"\0clock_nanosleep\0"
_HIDDEN: Final = b"\0Xlock_nanosleep\0"  # its end is the name of another function


def apart(by_s: int, folder: Path) -> dict[str, str]:
    """Return the environment in which the clock is so many seconds ahead, or behind; what measures durations stays right.

    The folder gets a copy of the library in which the function that it has wrong has another name, so that nobody finds it.
    """
    root = program("faketime").path.parent.parent
    found = sorted((root / "lib").glob(f"*/faketime/{_LIBRARY}"))
    if not found:
        missing(f"{_LIBRARY} is not below {root}: run python3 -m tools.testbed install")
    library = found[0].read_bytes()
    assert _WRONG in library
    copy = folder / f"apart-{by_s}.so"  # one for each: what a process has in use must not be written again
    copy.write_bytes(library.replace(_WRONG, _HIDDEN, 1))  # the first is the name that it is found by
    return {"LD_PRELOAD": str(copy), "FAKETIME": f"{by_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
