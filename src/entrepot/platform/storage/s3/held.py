"""One upload in the hands of one request, its bytes in a bucket: whole parts go to the store while the next one comes.

Nothing in a bucket keeps another node away. So the law here: whatever is stored gets a key or a number that nobody else uses, and
nothing that a row may name is deleted before a transaction under the lease's token has said that the row names it no more.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.base.ids import new_token
from entrepot.platform.storage.driver import ObjectTooLarge, SizeMismatch, UploadBusy
from entrepot.platform.storage.hashing import RunningHash, new_hash
from entrepot.platform.storage.s3.answers import Answer
from entrepot.platform.storage.s3.objects import BLOBS, Objects
from entrepot.platform.storage.s3.reading import read
from entrepot.platform.storage.s3.state import NOTHING, Part, Tail, written
from entrepot.platform.storage.s3.state import read as read_state
from entrepot.spec.oci.digest import Digest

_SMALLEST_PART: Final = 5 << 20  # all but the last must have as much
_PART: Final = _SMALLEST_PART  # one is in memory while the one before it is sent, of each upload
_DOUBLED_EVERY: Final = 1000  # parts: so 10,000 of them suffice for more than a bucket's object may have
_LARGEST_PART: Final = 64 << 20
_MOST_PARTS: Final = 10_000
_LEFT_PARTS: Final = 32
_MOST_TAILS: Final = 32
_MD5_DIGITS: Final = 32
_BATCH_BYTES: Final = 512 << 10  # a step to a thread costs as much as hashing 64 KiB


class HeldParts:
    """An upload's bytes in a bucket."""

    def __init__(self, objects: Objects, handle: str, size: int) -> None:
        self._objects = objects
        self._handle = handle
        self._recorded = size
        self._before = NOTHING
        self._state = NOTHING
        self._waiting: list[bytes] = []  # the bytes behind parts and tails, which are in memory only
        self._made: list[str] = []
        self._sending: asyncio.Task[None] | None = None
        self._whole = ""
        self._revoked = False

    @property
    def state(self) -> str | None:
        """What the upload's row must say of these bytes."""
        return written(self._state)

    @state.setter
    def state(self, text: str | None) -> None:
        self._before = self._state = read_state(text, self._recorded)

    async def append(
        self, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash, *, last: bool = False, spare: bool = False
    ) -> int:
        """Store `chunks` behind the first `offset` bytes, durable before the new offset is returned; the `last` may wait.

        Raises:
            SizeMismatch, ObjectTooLarge
        """
        del spare  # what is small waits in memory in any case, and nobody knows how much will come
        try:
            return await self._append(offset, chunks, hash_, last=last)
        except EntrepotError:
            await self.cut(offset)
            raise

    async def _append(self, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash, *, last: bool) -> int:
        self._require(offset)
        if offset < self._size():
            await self._keep(offset - self._state.parts_size)
        hashing: asyncio.Future[None] | None = None
        try:
            async for batch in _batches(chunks):
                if hashing is not None:
                    await hashing
                # Hashed in a thread while the next batch comes from the network.
                hashing = asyncio.get_running_loop().run_in_executor(None, _feed, hash_, batch)
                offset += _size(batch)
                await self._add(batch)
        finally:
            if hashing is not None:
                await hashing
        if not last and self._waiting:
            await self._store_waiting()
        await self._sent()
        return offset

    async def _add(self, batch: list[bytes]) -> None:
        """Put bytes to those that wait in memory, and send them when they are enough for a part.

        Bodies that stall must not fill the memory: whoever finds it full for a second stores what it has as it comes.
        """
        self._waiting.extend(batch)
        self._count()
        if self._state.tails_size + _size(self._waiting) >= _part_size(len(self._state.parts)):
            await self._keep(self._state.tails_size + _size(self._waiting))
            await self._send(self._waiting)
            self._waiting = []
            self._count()
        elif not await self._objects.calls.memory.fits():
            await self._store_waiting()

    def _count(self) -> None:
        self._objects.calls.memory.count(id(self), _size(self._waiting))

    async def settle(self) -> None:
        """Delete what the row named and names no more, now that this is recorded."""
        old = {*self._made, *(tail.key for tail in self._before.tails)}
        gone = old - {tail.key for tail in self._state.tails} - {self._whole}
        self._before, self._made = self._state, []
        with suppress(EntrepotError):  # it is found by the clean-up
            for key in gone:
                await self._objects.delete(key)

    def inherit(self) -> None:
        """Leave numbers for the parts that the holder of before may still send: until it learns that it is that no more."""
        self._state = msgspec.structs.replace(self._state, next=self._state.next + _LEFT_PARTS)

    def revoke(self) -> None:
        """Send no part any more."""
        self._revoked = True

    async def cut(self, size: int) -> None:
        """Go back to what was recorded, and take away what this request has stored beside it."""
        del size  # it is what was recorded: nothing of that is changed before it is recorded anew
        await self._stop_sending()
        made, state = self._made, self._state
        self._made, self._waiting, self._state, self._whole = [], [], self._before, ""
        self._count()
        with suppress(EntrepotError):  # it is found by the clean-up
            if state.upload and state.upload != self._before.upload:
                await self._objects.abort(state.key, state.upload)
            for key in made:
                await self._objects.delete(key)

    async def rehash(self, size: int, hash_: RunningHash) -> None:
        """Feed the first `size` bytes to `hash_`. Parts cannot be read: so they are made an object first. Raises SizeMismatch."""
        self._require(size)
        if self._state.upload:
            key = await self._complete(size, None)
            pieces: AsyncIterator[bytes] = read(self._objects, key, 0, size - 1)
        else:
            await self._keep(size)
            pieces = _each(self._waiting)
        async for batch in _batches(pieces):
            await asyncio.to_thread(_feed, hash_, batch)

    async def finish(self, digest: Digest, size: int) -> str:
        """Make the first `size` bytes an object and return its key. Raises SizeMismatch."""
        self._require(size)
        if self._revoked:
            raise UploadBusy
        if self._state.upload:
            return await self._complete(size, digest)
        if len(self._state.tails) == 1 and not self._waiting and self._state.tails_size == size:
            key = self._state.tails[0].key
            found = await self._objects.size(key)
            if found != size:
                raise SizeMismatch(found=found or 0, expected=size)
            self._whole = key
            return key
        await self._keep(size)
        self._whole = self._new_key()
        await self._objects.put(self._whole, self._waiting)
        return self._whole

    async def drop(self, digest: Digest) -> None:
        """Delete everything of an upload whose row is no more."""
        del digest
        await self._stop_sending()
        for each in {each.upload: each for each in (self._state, self._before)}.values():
            if each.upload:
                await self._objects.abort(each.key, each.upload)
        tails = [tail.key for each in (self._state, self._before) for tail in each.tails]
        for key in {*self._made, *tails, *([self._whole] if self._whole else [])}:
            await self._objects.delete(key)

    async def close(self) -> None:
        """Let go."""
        self._objects.calls.memory.count(id(self), 0)
        await self._stop_sending()

    def _require(self, size: int) -> None:
        """Raise SizeMismatch where the store was given fewer bytes, or where a part would have to be cut."""
        if self._size() < size or size < self._state.parts_size:
            raise SizeMismatch(found=self._size(), expected=size)

    def _size(self) -> int:
        return self._state.size + _size(self._waiting)

    async def _keep(self, size: int) -> None:
        """Have the first `size` of the bytes behind the parts in memory, and only those."""
        loaded: list[bytes] = []
        for tail in self._state.tails:
            content = b"".join([piece async for piece in read(self._objects, tail.key, 0, tail.size - 1)])
            if hashlib.sha256(content).hexdigest() != tail.sha256:
                raise SizeMismatch(found=self._state.parts_size, expected=self._state.size)
            loaded.append(content)
        self._waiting = [*loaded, *self._waiting]
        self._state = msgspec.structs.replace(self._state, tails=())
        if _size(self._waiting) > size:
            self._waiting = [b"".join(self._waiting)[:size]] if size else []
        self._count()

    async def _store_waiting(self) -> None:
        """Make what waits in memory durable: as a part where it may be one, else as one more tail."""
        if self._state.upload and _size(self._waiting) >= _SMALLEST_PART and not self._state.tails:
            await self._send(self._waiting)
        elif self._waiting:
            if len(self._state.tails) >= _MOST_TAILS:
                await self._keep(self._state.tails_size + _size(self._waiting))
            key, size = self._new_key(), _size(self._waiting)
            sha256 = await self._objects.put(key, self._waiting)
            self._state = msgspec.structs.replace(self._state, tails=(*self._state.tails, Tail(key, size, sha256)))
        self._waiting = []
        self._count()

    async def _send(self, pieces: Sequence[bytes]) -> None:
        """Begin to send a part, when the one before it has been sent."""
        await self._sent()
        if not self._state.upload:
            key = f"{BLOBS}{self._handle}.{new_token()[:16]}"
            self._state = msgspec.structs.replace(self._state, key=key, upload=await self._objects.begin(key))
        if self._revoked:
            raise UploadBusy
        number = self._state.next
        if number > _MOST_PARTS:
            raise ObjectTooLarge(parts=_MOST_PARTS)
        # Its size is known now, so that the next one can be chosen while it is sent.
        parts = (*self._state.parts, Part(number, _size(pieces), ""))
        self._state = msgspec.structs.replace(self._state, parts=parts, next=number + 1)
        turns = self._objects.calls.turn()
        await turns.acquire()  # nothing more is taken from the client until then
        self._sending = asyncio.create_task(self._send_part(number, pieces), name=f"part {number} of {self._handle}")
        self._sending.add_done_callback(lambda _task: turns.release())

    async def _send_part(self, number: int, pieces: Sequence[bytes]) -> None:
        stored = await self._objects.put_part(self._state.key, self._state.upload, number, pieces)
        if stored.etag is None:
            raise SizeMismatch(found=0, expected=self._state.parts_size)
        part = Part(number, _size(pieces), stored.etag, stored.etag == stored.md5)
        self._state = msgspec.structs.replace(self._state, parts=(*self._state.parts[:-1], part))

    async def _sent(self) -> None:
        """Wait for the part that is on its way."""
        if self._sending is not None:
            sending, self._sending = self._sending, None
            try:
                await sending
            except asyncio.CancelledError:
                sending.cancel()
                raise

    async def _stop_sending(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            sending.cancel()
            await asyncio.wait([sending])
            if not sending.cancelled():
                sending.exception()

    async def _complete(self, size: int, digest: Digest | None) -> str:
        """Make the parts an object; repeatable, also by another process when that was not recorded. Raises SizeMismatch."""
        if self._whole:
            return self._whole
        self._require(size)
        key, upload = self._state.key, self._state.upload
        await self._keep(size - self._state.parts_size)
        parts = list(self._state.parts)
        if self._waiting:
            # Where the upload is no more it may be an object already: then the ETag says whether this part is its last.
            stored = await self._objects.put_part(key, upload, self._state.next, self._waiting)
            etag = stored.md5 if stored.etag is None else stored.etag
            parts.append(Part(self._state.next, _size(self._waiting), etag, etag == stored.md5))
        done = await self._objects.complete(key, upload, [(part.number, part.etag) for part in parts])
        answer = await self._objects.head(key)
        if answer is None or answer.size != size or not await self._is_whole(answer, parts, digest, done=done):
            raise SizeMismatch(found=0 if answer is None or answer.size == size else answer.size, expected=size)
        self._whole = key
        return key

    async def _is_whole(self, answer: Answer, parts: list[Part], digest: Digest | None, *, done: bool) -> bool:
        """Tell whether the object is made of these parts, and not of others that somebody else has sent."""
        agrees = _agree(answer.headers.get("etag", "").strip('"'), parts)
        if agrees is not None or done or digest is None:
            return done if agrees is None else agrees
        hash_ = new_hash(digest.algorithm)  # nothing but its bytes can tell
        async for batch in _batches(read(self._objects, self._state.key, 0, answer.size - 1)):
            await asyncio.to_thread(_feed, hash_, batch)
        return hash_.hexdigest() == digest.hex

    def _new_key(self) -> str:
        key = f"{BLOBS}{self._handle}.{new_token()[:16]}"
        self._made.append(key)
        return key


def _agree(whole: str, parts: list[Part]) -> bool | None:
    """Tell whether an object's ETag is that of these parts; None where the store makes them by another rule than by MD5 sums."""
    made, hyphen, count = whole.partition("-")
    if not hyphen or not all(part.is_md5 for part in parts) or len(made) != _MD5_DIGITS:
        return None
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return count == str(len(parts)) and made == hashlib.md5(joined, usedforsecurity=False).hexdigest()


def _part_size(parts: int) -> int:
    """Return how many bytes the next part has, behind so many."""
    return int(min(_PART << (parts // _DOUBLED_EVERY), _LARGEST_PART))


def _size(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))


def _feed(hash_: RunningHash, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        hash_.update(piece)


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Put pieces together until they are worth a hop to a thread; they are not joined, which would copy them."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        if chunk:
            held.append(chunk)
            size += len(chunk)
        if size >= _BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held
