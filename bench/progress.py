"""One line to the person who waits, with the minutes that have passed."""

import sys
import time
from typing import Final

_BEGAN: Final = time.monotonic()


def say(what: str) -> None:
    """Write a line to standard error; the table alone goes to standard output."""
    minutes, seconds = divmod(int(time.monotonic() - _BEGAN), 60)
    print(f"{minutes:2}:{seconds:02} {what}", file=sys.stderr, flush=True)
