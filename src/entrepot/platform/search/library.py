"""Errors of the library: it says all that it meets by ValueError, and panics where it reads what it did not write."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SYSTEM: Final = re.compile(r"(?:\bcode: |\(os error )(?P<number>[0-9]{1,3})\b")
_PANIC: Final = "PanicException"  # of no module that could be imported


class IndexBroken(ValueError):
    """The entries cannot be read, or not be written: they are to be thrown away."""


@contextmanager
def told() -> Iterator[None]:
    """Let what goes wrong in the library be an OSError where the system refused something, else an IndexBroken."""
    try:
        yield
    except ValueError as error:
        raise _said(error) from error
    except BaseException as error:  # a panic is no Exception
        if type(error).__name__ != _PANIC:
            raise
        raise _said(error) from error


def _said(error: BaseException) -> Exception:
    reason = str(error)
    found = _SYSTEM.search(reason)
    # What is not there although the index names it is no trouble of the machine's: waiting does not bring it back.
    if found is None or int(found["number"]) == errno.ENOENT:
        return IndexBroken(reason)
    number = int(found["number"])
    return OSError(number, f"{os.strerror(number)} ({reason})")
