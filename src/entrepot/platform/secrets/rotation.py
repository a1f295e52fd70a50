"""Changing the master key: which keys the file has and in which order, step by step, each durable before the next.

A key is never thrown away in one step. The file as it was is kept beside it until it is sure that nothing needs what was
taken out, and what a killed command left so is put back by the next one.
"""

import base64
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.platform.disk.folders import sync_folder
from entrepot.platform.secrets.envelope import KEY_BYTES, KeyRing, key_id
from entrepot.platform.secrets.keys import SecretKeyUnusable, keys_in, scratch_of, sweep, write_durably

_KEPT: Final = "before"


class KeyUnknown(EntrepotError):
    """A key that was named is not in the file."""

    summary = "the secret key file {file} has no key {key}: it has {keys}"


class KeyFile:
    """The file of the keys, for a process that runs while they are changed: it is read again whenever it is another one.

    So what it seals is under the key that is first now, and what another process sealed with a newer key opens.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: tuple[int, ...] = ()
        self._ring: KeyRing | None = None

    def ring(self) -> KeyRing:
        """Return the keys of the file as it is now; asking costs one look at the file's date.

        Raises:
            SecretKeyUnusable
        """
        try:
            about = self.file.stat()
        except OSError as error:
            raise SecretKeyUnusable(file=self.file, reason=error.strerror) from None
        seen = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)
        if self._ring is None or seen != self._seen:
            self._ring, self._seen = KeyRing(keys_in(self.file)), seen
        return self._ring


@contextmanager
def changing(file: Path) -> Iterator[None]:
    """Be the only one that changes the file, and take up what a command that was killed has left.

    Raises:
        SecretKeyUnusable: also when another command changes it.
    """
    try:
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SecretKeyUnusable(file=file, reason=error.strerror) from None
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SecretKeyUnusable(file=file, reason="another command is changing it") from None
        with _told(file):
            sweep(file)
        restore(file)
        yield
    finally:
        os.close(folder)


def put_new_first(file: Path) -> None:
    """Let a new key seal from now on; those of before still open."""
    _write(file, [os.urandom(KEY_BYTES), *keys_in(file)])


def put_new_last(file: Path) -> str:
    """Add a new key that only opens for now, and return its id."""
    new = os.urandom(KEY_BYTES)
    _write(file, [*keys_in(file), new])
    return key_id(new).hex()


def put_first(file: Path, wanted: str) -> None:
    """Let another key of the file seal from now on.

    Raises:
        KeyUnknown
    """
    keys = keys_in(file)
    first = [key for key in keys if key_id(key).hex() == wanted]
    if not first:
        raise KeyUnknown(file=file, key=wanted, keys=", ".join(KeyRing(keys).ids))
    _write(file, [*first[:1], *(key for key in keys if key != first[0])])


def take_out(file: Path, ids: Sequence[str]) -> None:
    """Take keys out of the file, and keep the file as it was until `forget` or `restore`."""
    with _told(file):
        os.link(file, _kept(file))
        sync_folder(file.parent)
    _write(file, [key for key in keys_in(file) if key_id(key).hex() not in ids])


def forget(file: Path) -> None:
    """Delete the file that `take_out` kept."""
    with _told(file):
        _kept(file).unlink(missing_ok=True)
        sync_folder(file.parent)


def restore(file: Path) -> None:
    """Put back what `take_out` took, behind the keys that the file has now."""
    kept = _kept(file)
    if not kept.exists():
        return
    _write(file, [*keys_in(file), *keys_in(kept)])
    forget(file)


def _kept(file: Path) -> Path:
    return file.with_name(f"{file.name}.{_KEPT}")


def _write(file: Path, keys: Sequence[bytes]) -> None:
    """Replace the file in one step, with owner and mode as before: root may change the keys of a service's user."""
    scratch = scratch_of(file)
    lines = [base64.b64encode(key) + b"\n" for key in dict.fromkeys(keys)]
    with _told(file):
        try:
            owner = file.stat()
            write_durably(scratch, b"".join(lines))
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(scratch, owner.st_uid, owner.st_gid)
            scratch.chmod(stat.S_IMODE(owner.st_mode))
            scratch.replace(file)
        finally:
            scratch.unlink(missing_ok=True)
        sync_folder(file.parent)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SecretKeyUnusable(file=file, reason=error.strerror) from None
