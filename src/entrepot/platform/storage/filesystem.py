"""Blobs as files: `uploads/<handle>` while they come, `blobs/<algorithm>/<2 hex>/<hex>.<handle>` once they are whole.

The law of this module: a file's bytes are on the disk before its name is, and its name before anyone is told the key.
"""

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from entrepot.base.ids import new_token
from entrepot.platform.storage.driver import SizeMismatch, StorageFull, StorageUnavailable, Stored, UploadBusy
from entrepot.platform.storage.hashing import RunningHash
from entrepot.platform.storage.remembered import Remembered
from entrepot.platform.storage.writeback import start_writeback
from entrepot.spec.oci.digest import ALGORITHMS, Digest

_BATCH_BYTES: Final = 1 << 20  # one step to a thread costs as much as hashing 64 KiB
_READ_BYTES: Final = 1 << 20
_SMALL_BYTES: Final = 64 << 10  # the most that `at_hand` reads on the event loop
_REMEMBERED_BYTES: Final = 8 << 20
_THREADS: Final = 16  # they wait for the disk most of the time
_Result = TypeVar("_Result")


class FilesystemStorage:
    """Blobs in a folder of one machine; processes exclude one another by locks that die with their holder."""

    def __init__(self, folder: Path) -> None:
        self._uploads = folder / "uploads"
        self._blobs = folder / "blobs"
        self._prefix = f"{folder}/"
        self._remembered = Remembered(_REMEMBERED_BYTES)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

    def prepare(self) -> None:
        """Make every folder that a blob may need, so that none is made (and synced) while one is pushed."""
        with _wire_errors():
            self._uploads.mkdir(parents=True, exist_ok=True)
            for algorithm in ALGORITHMS:
                missing = [self._blobs / algorithm / f"{prefix:02x}" for prefix in range(256)]
                missing = [path for path in missing if not path.is_dir()]
                for path in missing:
                    path.mkdir(parents=True, exist_ok=True)
                if missing:
                    _sync_folder(self._blobs / algorithm)
            for path in (self._blobs, self._blobs.parent):
                _sync_folder(path)

    def close(self) -> None:
        """Wait for running steps and end the threads."""
        self._threads.shutdown()

    def new_handle(self) -> str:
        """Return a handle that was never used."""
        return new_token()

    async def append(self, handle: str, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash) -> int:
        """Write `chunks` at `offset`, durable before the new offset is returned. Raises UploadBusy, SizeMismatch."""
        batches = _batches(chunks)
        batch, following = await anext(batches, b""), await anext(batches, None)
        if following is None:
            return await self._run_whole(_write_whole, self._uploads / handle, offset, batch, hash_)
        writer = _Writer(self._uploads / handle, hash_)
        try:
            await self._run(writer.open, offset)
            while following is not None:
                # Written and hashed in a thread while the next batch comes from the network.
                step = self._run(writer.write, offset, batch)
                batch, following = following, await anext(batches, None)
                offset = await step
            offset = await self._run(writer.write, offset, batch)
            await self._run(writer.flush)
            return offset
        finally:
            await asyncio.shield(self._run(writer.close))

    async def rehash(self, handle: str, size: int, hash_: RunningHash) -> None:
        """Feed the upload's first `size` bytes to `hash_`. Raises SizeMismatch."""
        await self._run(_rehash, self._uploads / handle, size, hash_)

    async def finish(self, handle: str, digest: Digest, size: int) -> str:
        """Sync the file, give it its name, sync the folder. Raises SizeMismatch."""
        key = f"blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}.{handle}"
        await self._run(_finish, self._uploads / handle, self._path(key), size)
        return key

    async def abort(self, handle: str) -> None:
        """Delete the upload's bytes."""
        await self._run(_unlink, self._uploads / handle)

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, None when there is no such file."""
        return await self._run(_size, self._path(key))

    async def read(self, key: str, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `first` to `last` in pieces of 1 MiB."""
        opening = self._run(_open_to_read, self._path(key))
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise
        try:
            for place in range(first, last + 1, _READ_BYTES):
                wanted = min(_READ_BYTES, last + 1 - place)
                piece = await self._run(os.pread, file, wanted, place)
                if len(piece) != wanted:  # the file is shorter than its row says: never end as if that were all
                    raise StorageUnavailable("a blob's file")
                yield piece
        finally:
            os.close(file)

    def at_hand(self, key: str, size: int) -> bytes | None:
        """Return a small file's bytes when the page cache has them: the loop must not wait for a disk."""
        if size > _SMALL_BYTES:
            return None
        found = self._remembered.get(key)
        if found is None:
            found = _read_at_once(self._prefix + key, size)
            if found is not None:
                self._remembered.put(key, found)
        return found

    async def delete(self, key: str) -> None:
        """Delete the object's file."""
        await self._run(_unlink, self._path(key))

    async def list_all(self) -> AsyncIterator[Stored]:
        """Yield every blob's and every upload's file."""
        for folder in [self._uploads, *(self._blobs / a / f"{p:02x}" for a in ALGORITHMS for p in range(256))]:
            for stored in await self._run(_listed, folder, self._prefix):
                yield stored

    def _path(self, key: str) -> Path:
        return Path(self._prefix + key)

    def _run(self, step: Callable[..., _Result], *arguments: object) -> "asyncio.Future[_Result]":
        return asyncio.get_running_loop().run_in_executor(self._threads, _guarded, step, arguments)

    async def _run_whole(self, step: Callable[..., _Result], *arguments: object) -> _Result:
        """Run a step to its end even when the caller is cancelled meanwhile, so that what follows does not meet it."""
        running = self._run(step, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


class _Writer:
    """An upload's file while its bytes come. Steps run in threads, one at a time; whoever was cancelled, `close` is the last.

    A cancelled caller does not end the step that runs: closing the file under it would let it write into another one.
    """

    def __init__(self, path: Path, hash_: RunningHash) -> None:
        self._path = path
        self._hash = hash_
        self._turn = threading.Lock()
        self._file: int | None = None
        self._closed = False

    def open(self, offset: int) -> None:
        with self._turn:
            if not self._closed:
                self._file = _open_at(self._path, offset)

    def write(self, offset: int, data: bytes) -> int:
        with self._turn:
            return offset if self._file is None else _write(self._file, offset, data, self._hash)

    def flush(self) -> None:
        with self._turn:
            if self._file is not None:
                os.fdatasync(self._file)

    def close(self) -> None:
        with self._turn:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None


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
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("storage", retry_after_s=60) from error
        raise StorageUnavailable("storage") from error


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small pieces, so that a thread is worth its hop."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _BATCH_BYTES:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _open_at(path: Path, offset: int) -> int:
    """Open the upload's file for this process alone and cut it back to `offset`."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Held until the file is closed, by a frozen process too: nobody else writes before it has gone.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _cut(file, offset)
    except BlockingIOError:
        os.close(file)
        raise UploadBusy from None
    except BaseException:
        os.close(file)
        raise
    return file


def _cut(file: int, size: int) -> None:
    """Cut the file back to `size` bytes, of which it must have at least as many."""
    found = os.fstat(file).st_size
    if found < size:
        raise SizeMismatch(found=found, expected=size)
    if found > size:
        os.ftruncate(file, size)


def _write(file: int, offset: int, data: bytes, hash_: RunningHash) -> int:
    rest = memoryview(data)
    place = offset
    while rest:
        written = os.pwrite(file, rest, place)
        rest = rest[written:]
        place += written
    hash_.update(data)
    start_writeback(file, offset, len(data))
    return place


def _write_whole(path: Path, offset: int, data: bytes, hash_: RunningHash) -> int:
    """Do all of a small append in one step."""
    file = _open_at(path, offset)
    try:
        offset = _write(file, offset, data, hash_)
        os.fdatasync(file)
    finally:
        os.close(file)
    return offset


def _rehash(path: Path, size: int, hash_: RunningHash) -> None:
    with path.open("rb", buffering=0) as file:
        rest = size
        while rest:
            piece = file.read(min(_READ_BYTES, rest))
            if not piece:
                raise SizeMismatch(found=size - rest, expected=size)
            hash_.update(piece)
            rest -= len(piece)


def _finish(upload: Path, blob: Path, size: int) -> None:
    try:
        file = os.open(upload, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        found = _size(blob)
        if found == size:  # a finish that was repeated: a crash came between the rename and the row
            _sync_folder(blob.parent)
            return
        raise SizeMismatch(found=found or 0, expected=size) from None
    try:
        _cut(file, size)
        os.fchmod(file, 0o400)
        os.fsync(file)
    finally:
        os.close(file)
    upload.rename(blob)
    _sync_folder(blob.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open_to_read(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _close_opened(opening: "asyncio.Future[int]") -> None:
    """Close a file that was opened for someone who was cancelled meanwhile."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _listed(folder: Path, prefix: str) -> list[Stored]:
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    for entry in entries:
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # finished or deleted while we were listing
        handle = entry.name.rpartition(".")[2]
        found.append(Stored(entry.path.removeprefix(prefix), handle, about.st_size, about.st_mtime_ns // 1000))
    return found
