"""Blobs as files: `uploads/<handle>` while they come, `blobs/<algorithm>/<2 hex>/<hex>.<handle>` once they are whole.

The law of this module: a file's bytes are on the disk before its name is, and its name before anyone is told the key.
"""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from entrepot.base.ids import new_token
from entrepot.base.remembered import Remembered
from entrepot.platform.disk.folders import sync_folder
from entrepot.platform.disk.room import Room
from entrepot.platform.storage.driver import ObjectLost, StorageAway, StorageFull, StorageReadOnly, StorageUnavailable, Stored
from entrepot.platform.storage.feeding import Feeder
from entrepot.platform.storage.hashing import RunningHash
from entrepot.platform.storage.held import HeldFile
from entrepot.platform.storage.presence import folder_of, size_of, unlink
from entrepot.spec.oci.digest import ALGORITHMS, Digest

_READ_BYTES: Final = 1 << 20
# The server holds up to ten pieces for a client that takes them slowly: with many readers the pieces get smaller.
_SMALLEST_READ_BYTES: Final = 64 << 10
_READING_BYTES: Final = 4 << 20
_SMALL_BYTES: Final = 64 << 10  # the most that `at_hand` reads on the event loop
_REMEMBERED_BYTES: Final = 8 << 20
_ENTRY_BYTES: Final = 300  # of a remembered blob beside its own bytes: its key, the objects, its place in the memory
_THREADS: Final = 16  # they wait for the disk most of the time
_FULL_FOR_S: Final = 60  # until a client is to try again: a person has to do something
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_Result = TypeVar("_Result")


class FilesystemStorage:
    """Blobs in a folder of one machine; processes exclude one another by locks that die with their holder."""

    def __init__(self, folder: Path, room: Room | None = None) -> None:
        self._room = room
        self._uploads = folder / "uploads"
        self._blobs = folder / "blobs"
        self._quarantine = folder / "quarantine"
        self._prefix = f"{folder}/"
        self._readers = 0
        self._remembered: Remembered[str, bytes] = Remembered(_REMEMBERED_BYTES)
        # Apart, so that writes which hang do not keep pulls from threads.
        self._readers_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage-reads")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")
        self._feeder = Feeder()

    async def prepare(self, identity: str = "") -> None:
        """Make every folder that a blob may need, so that none is made (and synced) while one is pushed.

        All are synced at each start: an earlier one may have died after it made them.
        """
        del identity  # a folder lies beside its database, or nobody can tell
        await self._run(self._prepare)

    async def identity(self) -> str | None:
        """Return that it does not say whose it is, or None. Raises OSError."""
        return "" if self._blobs.is_dir() else None

    async def require_identity(self, identity: str | None) -> None:
        """Do nothing: the folder has no mark."""
        del identity

    def _prepare(self) -> None:
        with _wire_errors():
            self._uploads.mkdir(parents=True, exist_ok=True)
            for algorithm in ALGORITHMS:
                folders = [self._blobs / algorithm / f"{prefix:02x}" for prefix in range(256)]
                for path in [path for path in folders if not path.is_dir()]:
                    path.mkdir(parents=True, exist_ok=True)
                sync_folder(self._blobs / algorithm)
            for path in (self._blobs, self._blobs.parent):
                sync_folder(path)

    async def prepared(self) -> bool:
        """Tell whether `prepare` was done in this folder, which need not be there. Raises OSError."""
        return self.is_here()

    def is_here(self) -> bool:
        """Tell whether the folders are there. Raises OSError."""
        return self._uploads.is_dir() and self._blobs.is_dir()

    async def close(self) -> None:
        """Wait for running steps and end the threads."""
        self._threads.shutdown()
        self._readers_threads.shutdown()
        self._feeder.close()

    def require_room(self, size_bytes: int) -> None:
        """Ask the file system, which answers from memory. Raises StorageFull, StorageReadOnly, StorageAway."""
        room = self._room
        self._require(lambda: room is None or not room.lacks(size_bytes))

    def _require(self, fits: Callable[[], bool]) -> None:
        with _wire_errors():
            if not self.is_here():
                raise StorageAway("storage")
            if not fits():
                raise StorageFull("storage", retry_after_s=_FULL_FOR_S)

    @contextmanager
    def awaiting(self, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
        """Count a body's bytes as taken until they are. Raises StorageFull, StorageReadOnly, StorageAway."""
        if self._room is None:
            self.require_room(0)
            yield lambda _came: None
            return
        claim = self._room.claim(size_bytes)

        def came(size_bytes: int) -> None:
            if claim.came(size_bytes):
                self._require(claim.fits)

        try:
            self._require(claim.fits)
            yield came
        finally:
            claim.end()

    async def require_presence(self, identity: str | None = None) -> None:
        """Look whether the folders are there. Raises StorageAway."""
        del identity
        if not await self._read(self.is_here):
            raise StorageAway("storage")

    def new_handle(self) -> str:
        """Return a handle that was never used."""
        return new_token()

    @asynccontextmanager
    async def hold(self, handle: str, size: int) -> AsyncIterator[HeldFile]:
        """Keep everyone else from the upload's file until the block is left. Raises UploadBusy."""
        held = HeldFile(self._uploads, self._blobs, handle, self._run)
        try:
            await held.open(size)
            yield held
        finally:
            await held.close()

    async def abort(self, handle: str, state: str | None = None) -> None:
        """Delete the upload's bytes."""
        del state
        await self._run(self._freeing, unlink, self._uploads / handle)

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, None when there is no such file."""
        return await self._read(size_of, self._path(key))

    async def read(self, key: str, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `first` to `last` in pieces of up to 1 MiB."""
        opening = self._read(_open_to_read, self._path(key))
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise
        self._readers += 1
        place = first
        try:
            while place <= last:
                wanted = min(_READ_BYTES, max(_SMALLEST_READ_BYTES, _READING_BYTES // self._readers), last + 1 - place)
                piece = await self._read(os.pread, file, wanted, place)
                if len(piece) != wanted:  # the file is shorter than its row says: never end as if that were all
                    raise StorageUnavailable("a blob's file")
                yield piece
                place += wanted
        finally:
            self._readers -= 1
            os.close(file)

    def address(self, key: str, size: int) -> str | None:
        """Return nothing: clients cannot reach the files themselves."""
        del key, size
        return None

    async def fetch(self, key: str, size: int, digest: Digest) -> bytes | None:
        """Return nothing: what is small is at hand already, or waits for a disk as what is large does."""
        del key, size, digest
        return None

    def at_hand(self, key: str, size: int) -> bytes | None:
        """Return a small file's bytes when the page cache has them: the loop must not wait for a disk."""
        if size > _SMALL_BYTES:
            return None
        found = self._remembered.get(key)
        if found is None:
            found = None if _leads_out(key) else _read_at_once(self._prefix + key, size)
            if found is not None:
                self._remembered.put(key, found, size + _ENTRY_BYTES)
        return found

    async def feed(self, key: str, first: int, size: int, hash_: RunningHash) -> int:
        """Feed bytes to `hash_` from the disk and not from memory; return how many there were. Raises ObjectLost."""
        return await self._feeder.run(_guarded, self._feed, (self._path(key), first, size, hash_))

    async def set_aside(self, key: str) -> str:
        """Move the file into the folder `quarantine`. Raises ObjectLost."""
        aside = self._quarantine / key.rpartition("/")[2]
        await self._run(self._freeing, _move, self._path(key), aside)
        self._remembered.forget(key)
        return str(aside)

    async def delete(self, key: str) -> None:
        """Delete the object's file."""
        await self._run(self._freeing, unlink, self._path(key))

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete the objects' files."""
        for key in keys:
            await self.delete(key)

    async def list_all(self) -> AsyncIterator[Stored]:
        """Yield every blob's and every upload's file."""
        for folder in [self._uploads, *(self._blobs / a / f"{p:02x}" for a in ALGORITHMS for p in range(256))]:
            for stored in await self._read(_listed, folder, self._prefix):
                yield stored

    def _feed(self, path: Path, first: int, size: int, hash_: RunningHash) -> int:
        file = _open_to_read(path)
        try:
            return self._feeder.feed(file, first, size, hash_)
        finally:
            os.close(file)

    def _path(self, key: str) -> Path:
        if _leads_out(key):
            raise StorageUnavailable("storage")
        return Path(self._prefix + key)

    def _run(self, step: Callable[..., _Result], *arguments: object) -> "asyncio.Future[_Result]":
        return asyncio.get_running_loop().run_in_executor(self._threads, _guarded, step, arguments)

    def _read(self, step: Callable[..., _Result], *arguments: object) -> "asyncio.Future[_Result]":
        return asyncio.get_running_loop().run_in_executor(self._readers_threads, _guarded, step, arguments)

    def _freeing(self, step: Callable[..., None], *arguments: object) -> None:
        """Do a step that gives room back: on some file systems that takes a little of it."""
        try:
            step(*arguments)
        except OSError as error:
            if error.errno not in _NO_ROOM or self._room is None or not self._room.ballast.relieve(certain=True):
                raise
            step(*arguments)


def _leads_out(key: str) -> bool:
    """Tell whether a key is none of ours, and might name a file outside of the folder."""
    return ".." in key or "\0" in key


def _read_at_once(path: str, size: int) -> bytes | None:
    """Return a file's bytes if the kernel has them in memory; None when it has not, or they are not `size` bytes."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        into = bytearray(size + 1)
        return bytes(into[:size]) if os.preadv(file, [into], 0, os.RWF_NOWAIT) == size else None
    except OSError:
        return None
    finally:
        os.close(file)


def _guarded(step: Callable[..., _Result], arguments: tuple[object, ...]) -> _Result:
    with _wire_errors():
        return step(*arguments)


@contextmanager
def _wire_errors() -> Iterator[None]:
    """Turn the machine's errors into the driver's."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull("storage", retry_after_s=_FULL_FOR_S) from error
        if error.errno == errno.EROFS:
            raise StorageReadOnly("storage", retry_after_s=_FULL_FOR_S) from error
        raise StorageUnavailable("storage") from error


def _open_to_read(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        with folder_of(path) as folder:
            try:
                return os.open(path.name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                raise ObjectLost(key=path.name) from None


def _move(path: Path, aside: Path) -> None:
    if size_of(path) is None:
        raise ObjectLost(key=path.name)
    aside.parent.mkdir(exist_ok=True)
    path.rename(aside)
    for folder in (aside.parent, aside.parent.parent, path.parent):
        sync_folder(folder)


def _close_opened(opening: "asyncio.Future[int]") -> None:
    """Close a file that was opened for someone who was cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _listed(folder: Path, prefix: str) -> list[Stored]:
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError as error:
        raise StorageAway("storage") from error
    for entry in entries:
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # finished or deleted while we were listing
        handle = entry.name.rpartition(".")[2]
        found.append(Stored(entry.path.removeprefix(prefix), handle, about.st_size, about.st_mtime_ns // 1000))
    return found
