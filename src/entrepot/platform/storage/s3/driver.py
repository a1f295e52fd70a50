"""Blobs as objects: `PREFIX/blobs/<handle>.<random>`, chosen before a byte is stored, since a bucket knows no renaming.

The law of this module: what lies outside the prefix is not ours, and nobody is told a key before its object is whole.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Final
from urllib.parse import quote, unquote

from entrepot.base.bucket import Bucket, BucketUnusable
from entrepot.base.ids import new_token
from entrepot.base.remembered import Remembered
from entrepot.platform.storage.driver import ObjectLost, StorageUnavailable, Stored, StoreTaken
from entrepot.platform.storage.hashing import RunningHash
from entrepot.platform.storage.s3.answers import BucketAway, StoreRefuses
from entrepot.platform.storage.s3.calls import Call, Calls
from entrepot.platform.storage.s3.held import HeldParts
from entrepot.platform.storage.s3.objects import BLOBS, QUARANTINE, Objects
from entrepot.platform.storage.s3.reading import read
from entrepot.platform.storage.s3.state import read as read_state
from entrepot.spec.oci.digest import Digest

_log: Final = logging.getLogger(__name__)
_SMALL_BYTES: Final = 64 << 10
_REMEMBERED_BYTES: Final = 8 << 20
_ENTRY_BYTES: Final = 300  # of a remembered blob beside its own bytes: its key, the objects, its place in the memory
_REDIRECTED_BYTES: Final = 64 << 10
_VALID_S: Final = 600
_DELETED_AT_ONCE: Final = 16
_FED_BYTES: Final = 1 << 20
_UPLOAD: Final = "multipart/"  # before the key that stands for a multipart upload in what is listed
_MISSING: Final = 404
_OURS: Final = re.compile(rf"{BLOBS}[0-9a-f]{{32}}\.[0-9a-f]{{16}}")
_FIXED: Final = (
    ("response-content-disposition", "attachment"),
    ("response-content-type", "application/octet-stream"),
)


class BucketStorage:
    """Blobs in a bucket that any number of nodes share."""

    def __init__(self, bucket: Bucket, environment: Mapping[str, str] | None = None) -> None:
        self._bucket = bucket
        self._calls = Calls(bucket, environment)
        self._objects = Objects(self._calls)
        self._remembered: Remembered[str, bytes] = Remembered(_REMEMBERED_BYTES)

    async def prepare(self, identity: str = "") -> None:
        """Note in the bucket whose blobs are kept there, and make it where that was asked for. Raises BucketUnusable."""
        try:
            await self._prepare(identity)
        except StoreRefuses:
            raise BucketUnusable(bucket=self._bucket.told, reason=_REASONS[403]) from None

    async def _prepare(self, identity: str) -> None:
        answer = await self._calls.send(Call("HEAD", expected=(200, 301, 400, 403, 404)))
        if answer.status == _MISSING and self._bucket.create:
            await self._objects.make_bucket()
        elif answer.status in _REASONS:
            raise BucketUnusable(bucket=self._bucket.told, reason=_REASONS[answer.status])
        found = await self._objects.marked()
        if found is None or (identity and not found):
            await self._objects.mark(identity, first=found is None)

    async def identity(self) -> str | None:
        """Return whose the bucket's mark says that it is."""
        return await self._objects.marked()

    async def require_identity(self, identity: str | None) -> None:
        """Compare the bucket's mark. Raises StoreTaken."""
        if await self._objects.marked() != (identity or ""):
            raise StoreTaken("storage")

    async def prepared(self) -> bool:
        """Tell whether `prepare` was done."""
        return await self._objects.is_marked()

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def require_room(self, size_bytes: int) -> None:
        """Do nothing unless the bucket is known to be away: how much room it has, nobody can ask."""
        del size_bytes
        self._calls.require()

    @contextmanager
    def awaiting(self, size_bytes: int | None) -> Iterator[Callable[[int], None]]:
        """Do nothing unless the bucket is known to be away."""
        self.require_room(size_bytes or 0)
        yield lambda _came: None

    async def require_presence(self, identity: str | None = None) -> None:
        """Look whether the bucket is there, and that registry's. Raises StorageAway, StoreTaken."""
        if identity is None:
            await self._objects.require_mark()
            return
        found = await self._objects.marked()
        if found is None:
            raise BucketAway("storage")
        if found != identity:
            raise StoreTaken("storage")

    def new_handle(self) -> str:
        """Return a handle that was never used."""
        return new_token()

    @asynccontextmanager
    async def hold(self, handle: str, size: int) -> AsyncIterator[HeldParts]:
        """Give the upload's bytes; the row's lease keeps others away, and asks the bucket nothing."""
        held = HeldParts(self._objects, handle, size)
        try:
            yield held
        finally:
            await held.close()

    async def abort(self, handle: str, state: str | None = None) -> None:
        """Delete what the state of an upload names whose row is no more; what it does not name the clean-up finds."""
        del handle
        if state is not None:
            known = read_state(state, 0)
            if known.upload:
                await self._objects.abort(known.key, known.upload)
            for tail in known.tails:
                await self._objects.delete(tail.key)

    def memory_bytes(self) -> int:
        """Return how many bytes of uploads wait in this process."""
        return self._calls.memory.used

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, None when there is no such object."""
        return await self._objects.size(key)

    async def read(self, key: str, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `first` to `last`."""
        async with aclosing(read(self._objects, key, first, last)) as pieces:
            async for piece in pieces:
                yield piece

    async def fetch(self, key: str, size: int, digest: Digest) -> bytes | None:
        """Fetch a small object whole, None when it is not small. What came right is remembered, what came wrong asked again."""
        if size > _SMALL_BYTES:
            return None
        for _ in range(2):
            content = b"".join([piece async for piece in read(self._objects, key, 0, size - 1)])
            if Digest.of(content, digest.algorithm) == digest:
                self._remembered.forget(key)
                self._remembered.put(key, content, size + _ENTRY_BYTES)
                return content
        _log.error("blob_damaged", extra={"digest": str(digest), "storage_key": key})
        raise StorageUnavailable("storage")

    def at_hand(self, key: str, size: int) -> bytes | None:
        """Return a small object that was read lately."""
        found = self._remembered.get(key) if size <= _SMALL_BYTES else None
        return found if found is not None and len(found) == size else None

    def address(self, key: str, size: int) -> str | None:
        """Return where a client gets the object itself, for ten minutes; None when it is not to go there."""
        if not self._bucket.redirects or size < _REDIRECTED_BYTES:
            return None
        return self._calls.address(Call("GET", self._objects.whole(key), _FIXED), _VALID_S)

    async def feed(self, key: str, first: int, size: int, hash_: RunningHash) -> int:
        """Feed at most `size` bytes from `first` on to `hash_`; return how many there were. Raises ObjectLost."""
        fed, waiting = 0, bytearray()
        async for piece in read(self._objects, key, first, first + size - 1, to_the_end=True):
            waiting += piece
            fed += len(piece)
            if len(waiting) >= _FED_BYTES:
                await asyncio.to_thread(hash_.update, bytes(waiting))
                waiting.clear()
        hash_.update(bytes(waiting))
        return fed

    async def set_aside(self, key: str) -> str:
        """Move a damaged object to where nothing is served from. Raises ObjectLost."""
        if await self._objects.size(key) is None:
            raise ObjectLost(key=key)
        aside = QUARANTINE + key.removeprefix(BLOBS)
        await self._objects.copy(key, aside)
        await self.delete(key)
        return self._bucket.told + aside

    async def delete(self, key: str) -> None:
        """Delete an object, or end the multipart upload that this key stands for."""
        self._remembered.forget(key)
        if key.startswith(_UPLOAD):
            upload, _, whole = key.removeprefix(_UPLOAD).partition("/")
            await self._objects.abort(whole, unquote(upload))
            return
        await self._objects.delete(key)

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete objects, some at a time: the store's own call for many at once is not had everywhere."""
        for place in range(0, len(keys), _DELETED_AT_ONCE):
            await asyncio.gather(*(self.delete(key) for key in keys[place : place + _DELETED_AT_ONCE]))

    async def list_all(self) -> AsyncIterator[Stored]:
        """Yield every object, and every multipart upload under a key of its own."""
        async for found in self._objects.listed_uploads(BLOBS):
            if not _OURS.fullmatch(found.key):
                continue  # below our prefix may be that of another registry
            yield Stored(f"{_UPLOAD}{quote(found.upload, safe='')}/{found.key}", _handle_of(found.key), 0, found.modified_at_us)
        async for found in self._objects.listed(BLOBS):
            if not _OURS.fullmatch(found.key):
                continue
            yield Stored(found.key, _handle_of(found.key), found.size, found.modified_at_us)


_REASONS: Final = {
    301: "it lies in another region: name it with region=",
    400: "the store does not understand the request: look at endpoint=, region= and style=",
    403: "the store refuses the credentials, or they may not use this bucket",
    404: "there is no such bucket: make it, or add create=true to --storage",
}


def _handle_of(key: str) -> str:
    return key.removeprefix(BLOBS).partition(".")[0]
