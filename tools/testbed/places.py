"""Where things are kept: the cache folder, its lock, and what machine this is."""

import contextlib
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
RELEASES: Final = ("12", "13")


class InstallError(Exception):
    """Something that must be installed cannot be; the message says what to do."""


def cache() -> Path:
    """Return the folder that holds all downloaded tools, made if missing."""
    folder = Path(os.environ.get("ENTREPOT_TOOLS") or Path.home() / ".cache" / "entrepot-tools").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian_release() -> str:
    """Return "12" or "13", or an empty string on any other system."""
    try:
        facts = platform.freedesktop_os_release()
    except OSError:
        return ""
    release = facts.get("VERSION_ID", "")
    return release if facts.get("ID") == "debian" and release in RELEASES else ""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: a second run waits until the first has finished."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Waiting for another run that installs into {folder}.", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
