"""One upload's file in the hands of one request: locked, written, hashed, and given its name.

The kernel's lock on the file is gone the moment its holder is dead and stays while it is merely frozen, until the file is
closed. So it is taken before anything is decided and kept until everything is recorded.
"""

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from entrepot.base.errors import EntrepotError
from entrepot.platform.disk.folders import sync_folder
from entrepot.platform.storage.batches import batches
from entrepot.platform.storage.driver import SizeMismatch, StorageFull, UploadBusy
from entrepot.platform.storage.hashing import RunningHash
from entrepot.platform.storage.presence import folder_of, size_of
from entrepot.platform.storage.writeback import start_writeback
from entrepot.spec.oci.digest import Digest

_BATCH_BYTES: Final = 1 << 20
_READ_BYTES: Final = 1 << 20

Run = Callable[..., "asyncio.Future[Any]"]


class HeldFile:
    """An upload's file; `run` does a step in a thread. Steps run one at a time, and `close` is the last, whoever was cancelled.

    A cancelled caller does not end the step that runs: closing the file under it would let it write into another one.
    """

    def __init__(self, uploads: Path, blobs: Path, handle: str, run: Run) -> None:
        self.state: str | None = None  # a file says for itself what has come
        self._path = uploads / handle
        self._blobs = blobs
        self._handle = handle
        self._run = run
        self._turn = threading.Lock()
        self._file: int | None = None
        self._fresh = False
        self._is_spare = False
        self._closed = False

    async def open(self, size: int) -> None:
        """Lock the file, which is made when nothing was recorded of it yet. Raises UploadBusy."""
        await self._run(self._in_turn, self._open, size == 0)

    async def close(self) -> None:
        """Let go, after the step that still runs, if any."""
        await asyncio.shield(self._run(self._close))

    async def append(
        self, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash, *, last: bool = False, spare: bool = False
    ) -> int:
        """Write `chunks` at `offset`, durable before the new offset is returned. Raises SizeMismatch.

        The `last` one is not synced: `finish` does that, and makes the name durable that counts. Should a crash bring the one in
        `uploads` back, it is a leftover. Writing `spare` bytes to the disk is not even begun.
        """
        self._is_spare = spare
        try:
            return await self._append(offset, chunks, hash_, last=last)
        except StorageFull:
            # What is not recorded is sent again: until then others may have the room.
            with suppress(EntrepotError):
                await self.cut(offset)
            raise

    async def _append(self, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash, *, last: bool) -> int:
        flush = _nothing if last else self._flush_with_name
        coming = batches(chunks, _BATCH_BYTES)
        nothing: list[bytes] = []
        batch, following = await anext(coming, nothing), await anext(coming, None)
        if following is None:
            if batch:
                offset = await self._run(self._in_turn, self._write_whole, offset, batch, hash_, flush)
            elif self._file is not None:
                await self._run(self._in_turn, self._cut, offset)  # what is recorded was synced by whoever recorded it
            return offset
        await self._run(self._in_turn, self._cut, offset)
        while following is not None:
            # Written and hashed in a thread while the next batch comes from the network.
            step = self._run(self._in_turn, self._write, offset, batch, hash_)
            batch, following = following, await anext(coming, None)
            offset = await step
        offset = await self._run(self._in_turn, self._write, offset, batch, hash_)
        if not last:
            await self._run(self._in_turn, flush)
        return offset

    async def settle(self) -> None:
        """Do nothing: it was the same file before."""

    def inherit(self) -> None:
        """Do nothing: the file's lock is ours, so that nobody else writes."""

    def revoke(self, why: EntrepotError | None) -> None:
        """Do nothing: the file's lock is ours as long as it is open."""
        del why

    async def cut(self, size: int) -> None:
        """Give back what lies behind the first `size` bytes. Raises SizeMismatch."""
        await self._run(self._in_turn, self._cut, size)

    async def rehash(self, size: int, hash_: RunningHash) -> None:
        """Feed the first `size` bytes to `hash_`. Raises SizeMismatch."""
        await self._run(self._in_turn, self._rehash, size, hash_)

    async def finish(self, digest: Digest, size: int) -> str:
        """Sync the file, give it its name, sync the folder. Raises SizeMismatch."""
        name = self._name(digest)
        await self._run(self._in_turn, self._finish, self._blobs / name, size)
        return f"blobs/{name}"

    async def drop(self, digest: Digest) -> None:
        """Delete the file, also when a `finish` that was not recorded has given it its name."""
        await self._run(self._in_turn, self._drop, self._blobs / self._name(digest))

    def _name(self, digest: Digest) -> str:
        return f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}.{self._handle}"

    def _in_turn(self, step: Callable[..., Any], *arguments: object) -> Any:
        with self._turn:
            return None if self._closed else step(*arguments)

    def _open(self, make: bool) -> None:  # noqa: FBT001 - called through _in_turn, by position
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
        while self._file is None:
            try:
                file = os.open(self._path, flags, 0o600)
            except FileNotFoundError:
                with folder_of(self._path):
                    return  # it was given its name, and the row was not written: `finish` will find it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, self._path):
                    self._file = file
                    # Also of a file that was here: whoever made it recorded nothing, and may have died before a sync.
                    self._fresh = make
            except BlockingIOError:
                raise UploadBusy from None
            finally:
                if self._file is None:
                    os.close(file)

    def _close(self) -> None:
        with self._turn:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _cut(self, size: int) -> int:
        """Cut the file back to `size` bytes, of which it must have at least as many; return its descriptor."""
        found = os.fstat(self._file).st_size if self._file is not None else 0
        if self._file is None or found < size:
            raise SizeMismatch(found=found, expected=size)
        if found > size:
            os.ftruncate(self._file, size)
        return self._file

    def _write(self, offset: int, pieces: list[bytes], hash_: RunningHash) -> int:
        if self._file is None:
            raise SizeMismatch(found=0, expected=offset)
        end = offset + sum(map(len, pieces))
        place = offset + os.pwritev(self._file, pieces, offset)
        if place < end:  # interrupted, or the disk is full: which of the two, the next write says
            rest = memoryview(b"".join(pieces))[place - offset :]
            while rest:
                written = os.pwrite(self._file, rest, place)
                rest = rest[written:]
                place += written
        for piece in pieces:
            hash_.update(piece)
        if not self._is_spare:
            start_writeback(self._file, offset, end - offset)
        return end

    def _write_whole(self, offset: int, pieces: list[bytes], hash_: RunningHash, flush: Callable[[], None]) -> int:
        """Do all of a small append in one step."""
        self._cut(offset)
        offset = self._write(offset, pieces, hash_)
        flush()
        return offset

    def _flush_with_name(self) -> None:
        """Sync the file, and once its name too: what is recorded next must be found after a power cut."""
        if self._file is not None:
            os.fdatasync(self._file)
        if self._fresh:
            sync_folder(self._path.parent)
            self._fresh = False

    def _rehash(self, size: int, hash_: RunningHash) -> None:
        file = self._cut(size)
        for place in range(0, size, _READ_BYTES):
            wanted = min(_READ_BYTES, size - place)
            piece = os.pread(file, wanted, place)
            if len(piece) != wanted:
                raise SizeMismatch(found=place + len(piece), expected=size)
            hash_.update(piece)

    def _drop(self, blob: Path) -> None:
        (blob if self._file is None else self._path).unlink(missing_ok=True)

    def _finish(self, blob: Path, size: int) -> None:
        if self._file is None:
            found = size_of(blob)
            if found != size:
                raise SizeMismatch(found=found or 0, expected=size)
        else:
            file = self._cut(size)
            os.fsync(file)
            self._path.rename(blob)
            # Not before it: whoever repeats this must be able to open the file. That a crash may leave the mode out does no harm.
            with suppress(OSError):
                os.fchmod(file, 0o400)
        sync_folder(blob.parent)


def _nothing() -> None:
    """Do nothing."""


def _is_at(file: int, path: Path) -> bool:
    """Tell whether the open file is still the one of that name: it may have been renamed before we had its lock."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def make_folder(path: Path) -> None:
    """Make a folder for this user alone, and those above it, with names that are durable. Raises OSError."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        with suppress(PermissionError):  # where we may make a folder but not list it
            sync_folder(each.parent)
    if not missing:
        with suppress(OSError):  # the start that made it may have died before a sync; else there is nothing to do here
            sync_folder(path.parent)
