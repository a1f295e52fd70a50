"""The file that holds the master key: 32 random bytes in base64, one line for each key.

The first key seals. Further lines are keys of before, which still open what they sealed. Without this file nothing that was
sealed can be read again, so it is durable before anything is sealed with it, and never overwritten.
"""

import base64
import os
from pathlib import Path
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.base.findings import Finding, error, ok, warning
from entrepot.base.ids import new_token
from entrepot.platform.disk.folders import sync_folder
from entrepot.platform.secrets.envelope import KEY_BYTES, KeyRing

FILE: Final = "secret.key"
_MOST_BYTES: Final = 10_000
_SCRATCH: Final = "new-"


class SecretKeyUnusable(EntrepotError):
    """The file of the master key cannot be read, or holds no key."""

    summary = (
        "the secret key {file} cannot be used: {reason}. It is 32 random bytes in base64, as `head -c 32 /dev/urandom | base64` "
        "makes them; secrets that were sealed with a key can only be read with that key"
    )


def ensure_key(file: Path) -> None:
    """Make the file with a new key if it is not there; of several processes at once, one makes it.

    Raises:
        SecretKeyUnusable: it cannot be written.
    """
    if file.exists():
        return
    scratch = scratch_of(file)
    try:
        try:
            write_durably(scratch, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            # Unlike a rename, a link never takes the place of a key that somebody else has made meanwhile.
            os.link(scratch, file)
        except FileExistsError:
            return
        finally:
            scratch.unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as error:
        raise SecretKeyUnusable(file=file, reason=error.strerror) from None


def read_keys(file: Path) -> KeyRing:
    """Return the keys of the file.

    Raises:
        SecretKeyUnusable
    """
    return KeyRing(keys_in(file))


def keys_in(file: Path) -> list[bytes]:
    """Return the keys themselves, the one that seals first.

    Raises:
        SecretKeyUnusable
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES)
    except OSError as error:
        raise SecretKeyUnusable(file=file, reason=error.strerror) from None
    return _keys(text, file)


def check_key(file: Path, *, is_made: bool) -> Finding:
    """Say for the doctor whether the key can be used and is for one user alone; `is_made`: a start makes one where none is."""
    if is_made and not file.exists():
        told = f"{file} is not there: the next start makes one"
        return warning("secret key", told, "if there was one before, restore it first: another key opens nothing that it sealed")
    try:
        ids = read_keys(file).ids
        mode = file.stat().st_mode
    except (SecretKeyUnusable, OSError) as refused:
        return error("secret key", str(refused), "restore the file from its copy, or correct --secret-key-file")
    if mode & 0o077:
        return warning("secret key", f"{file} is open to other users of this machine", f"chmod 600 {file}")
    return ok("secret key", f"{file}, key {ids[0]}" + (f" and {len(ids) - 1} of before" if ids[1:] else ""))


def _keys(text: bytes, file: Path) -> list[bytes]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise SecretKeyUnusable(file=file, reason="it is empty")
    return [_key(line, number, file) for number, line in enumerate(lines, 1)]


def _key(line: bytes, number: int, file: Path) -> bytes:
    # What is in the line is not told: it may be most of a key.
    try:
        key = base64.b64decode(line, validate=True)
    except ValueError:
        raise SecretKeyUnusable(file=file, reason=f"line {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise SecretKeyUnusable(file=file, reason=f"line {number} holds {len(key)} bytes")
    return key


def scratch_of(file: Path) -> Path:
    """Return a name beside the file for what will take its place; `sweep` knows it when its maker was killed."""
    return file.with_name(f"{file.name}.{_SCRATCH}{new_token()}")


def sweep(file: Path) -> None:
    """Delete what makers that were killed left: keys lie in it, also some that were taken out since. Raises OSError."""
    for left in file.parent.glob(f"{file.name}.{_SCRATCH}*"):
        left.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    """Make a file that only its user can read, and that is on the disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(file)
