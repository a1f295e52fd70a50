"""Looking after the ballast while the registry serves: a thread of the supervisor, which has nothing else to do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from entrepot.platform.disk.ballast import Ballast

_EVERY_S: Final = 5.0


@contextmanager
def kept(ballast: Ballast, is_there: Callable[[], bool]) -> Iterator[None]:
    """Look every five seconds until the block is left.

    Nothing is made where `is_there` says no: while the disk is away, its folder is a place on another disk.
    """
    ending = threading.Event()
    thread = threading.Thread(target=_keep, args=(ballast, is_there, ending), name="keeper of the ballast", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()  # and not waited for: it may hang on a disk that does


def _keep(ballast: Ballast, is_there: Callable[[], bool], ending: threading.Event) -> None:
    while not ending.wait(_EVERY_S):
        try:
            if is_there():
                ballast.look()
        except OSError:
            continue  # whoever needs the disk says what is wrong with it
