"""One upload in the hands of one request, its bytes in a bucket: whole parts go to the store while the next one comes.

Nothing in a bucket keeps another node away. So the law here: whatever is stored gets a key or a number that nobody else uses, and
nothing that a row may name is deleted before a transaction under the lease's token has said that the row names it no more.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.base.ids import new_token
from entrepot.platform.storage.batches import batches
from entrepot.platform.storage.driver import ObjectTooLarge, SizeMismatch
from entrepot.platform.storage.hashing import RunningHash, new_hash
from entrepot.platform.storage.s3.answers import Answer
from entrepot.platform.storage.s3.objects import BLOBS, Objects, sums_of
from entrepot.platform.storage.s3.pieces import BATCH_BYTES, agree, each, feed, is_batch, size_of
from entrepot.platform.storage.s3.reading import read
from entrepot.platform.storage.s3.state import NOTHING, Part, Tail, written
from entrepot.platform.storage.s3.state import read as read_state
from entrepot.spec.oci.digest import Digest

_SMALLEST_PART: Final = 5 << 20  # all but the last must have as much
_PART: Final = _SMALLEST_PART  # one is in memory while those before it are sent, of each upload
_SENT_BESIDE: Final = 1  # a part begins while another one is on its way: a store takes two together faster than one by one
_DOUBLED_EVERY: Final = 1000  # parts: so 10,000 of them suffice for more than a bucket's object may have
_LARGEST_PART: Final = 64 << 20
_MOST_PARTS: Final = 10_000
_LEFT_PARTS: Final = 32
_MOST_TAILS: Final = 32  # so that many small requests do not read and write again what came before, each of them
_MANY_PIECES: Final = 256  # each costs some memory of its own, so tiny ones are joined


class HeldParts:
    """An upload's bytes in a bucket. What waits in memory may be written at any time by those who need room there."""

    def __init__(self, objects: Objects, handle: str, size: int) -> None:
        self._objects = objects
        self._handle = handle
        self._recorded = size
        self._before = NOTHING
        self._state = NOTHING
        self._share = objects.calls.memory.share(self._write, objects.calls.require)
        self._coming: list[bytes] = []  # bytes that nobody has hashed yet
        self._waiting: list[bytes] = []  # bytes behind the parts and tails
        self._hash: RunningHash | None = None
        self._hashing: asyncio.Future[None] | None = None
        self._made: list[str] = []
        self._sending: list[asyncio.Task[None]] = []
        self._whole = ""
        self._revoked: EntrepotError | None = None

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
        self._hash = hash_
        try:
            return await self._append(offset, chunks, last=last)
        except EntrepotError:
            await self.cut(offset)
            raise
        finally:
            await self._hashed()

    async def _append(self, offset: int, chunks: AsyncIterator[bytes], *, last: bool) -> int:
        self._require(offset)
        if offset < self._state.size:
            async with self._share.lock, self._reading():
                await self._keep(offset - self._state.parts_size)
        async for chunk in chunks:
            await self._share.take(len(chunk))
            async with self._share.lock:
                self._coming.append(chunk)
                offset += len(chunk)
                if len(self._coming) >= _MANY_PIECES or is_batch(self._coming):
                    await self._take_in()
        async with self._share.lock:
            await self._take_in()
            if not last:
                await self._store_waiting()
            await self._sent()
        return offset

    async def _take_in(self) -> None:
        """Put what came to what waits, and send that when it is enough for a part."""
        batch, self._coming = self._coming, []
        if not batch:
            return
        if len(batch) >= _MANY_PIECES:
            batch = [b"".join(batch)]
        await self._hashed()
        # Hashed in a thread while the next batch comes from the network.
        self._hashing = asyncio.get_running_loop().run_in_executor(None, feed, self._hash, batch)
        self._waiting += batch
        if self._state.tails_size + size_of(self._waiting) >= _part_size(len(self._state.parts)):
            await self._send_waiting()

    async def _hashed(self) -> None:
        hashing, self._hashing = self._hashing, None
        if hashing is not None:
            await hashing

    async def _write(self) -> None:
        """Make what waits durable, because others need the memory."""
        async with self._share.lock:
            await self._take_in()
            await self._store_waiting()

    def inherit(self) -> None:
        """Leave numbers for the parts that the holder of before may still send: until it learns that it is that no more."""
        self._state = msgspec.structs.replace(self._state, next=self._state.next + _LEFT_PARTS)

    def revoke(self, why: EntrepotError | None) -> None:
        """Send no part any more, until it is taken back."""
        self._revoked = why

    async def cut(self, size: int) -> None:
        """Go back to what was recorded, and take away what this request has stored beside it."""
        del size  # it is what was recorded: nothing of that is changed before it is recorded anew
        async with self._share.lock:
            await self._stop_sending()
            self._let_go()
            made, state = self._made, self._state
            self._made, self._state, self._whole = [], self._before, ""
            with suppress(EntrepotError):  # it is found by the clean-up
                if state.upload and state.upload != self._before.upload:
                    await self._objects.abort(state.key, state.upload)
                for key in made:
                    await self._objects.delete(key)

    async def rehash(self, size: int, hash_: RunningHash) -> None:
        """Feed the first `size` bytes to `hash_`; what the store has of them is made an object first. Raises SizeMismatch."""
        async with self._share.lock:
            if self._state.upload or self._state.tails:
                key = await self._make(size, None)
                pieces: AsyncIterator[bytes] = read(self._objects, key, 0, size - 1)
            else:
                await self._keep(size)
                pieces = each(self._waiting)
            async for batch in batches(pieces, BATCH_BYTES):
                await asyncio.to_thread(feed, hash_, batch)

    async def finish(self, digest: Digest, size: int) -> str:
        """Make the first `size` bytes an object and return its key, which was chosen before. Raises SizeMismatch."""
        async with self._share.lock:
            key = await self._make(size, digest)
            self._let_go()
            return key

    async def _make(self, size: int, digest: Digest | None) -> str:
        if not self._whole:
            self._require(size)
            self._whole = await (self._complete(size, digest) if self._state.upload else self._put(size))
        return self._whole

    async def _put(self, size: int) -> str:
        """Make an object of what is no multipart upload."""
        tails = self._state.tails
        if len(tails) == 1 and tails[0].size == size:
            found = await self._objects.size(tails[0].key)
            if found != size:
                raise SizeMismatch(found=found or 0, expected=size)
            return tails[0].key
        key = self._new_key()
        async with self._reading():
            await self._keep(size)
            await self._objects.put(key, self._waiting)
            self._let_go()
        return key

    async def drop(self, digest: Digest) -> None:
        """Delete everything of an upload whose row is no more."""
        del digest
        async with self._share.lock:
            await self._stop_sending()
            self._let_go()
            state, made = self._state, self._made
            for each_ in {state.upload: state, self._before.upload: self._before}.values():
                if each_.upload:
                    await self._objects.abort(each_.key, each_.upload)
            tails = [tail.key for tail in (*state.tails, *self._before.tails)]
            for key in {*made, *tails, *([self._whole] if self._whole else [])}:
                await self._objects.delete(key)

    async def settle(self) -> None:
        """Delete what the row named and names no more, now that this is recorded."""
        old = {*self._made, *(tail.key for tail in self._before.tails)}
        new = {self._whole, *(tail.key for tail in self._state.tails)}
        self._before, self._made = self._state, []
        with suppress(EntrepotError):  # it is found by the clean-up
            for key in old - new:
                await self._objects.delete(key)

    async def close(self) -> None:
        """Let go."""
        await self._stop_sending()
        async with self._share.lock:
            self._share.close()

    def _require(self, size: int) -> None:
        """Raise SizeMismatch where the store was given fewer bytes, or where a part would have to be cut."""
        found = self._state.size + size_of(self._waiting)
        if found < size or size < self._state.parts_size:
            raise SizeMismatch(found=found, expected=size)

    def _let_go(self) -> None:
        """Hold in memory no more what waits there."""
        self._share.stored(size_of(self._waiting) + size_of(self._coming))
        self._waiting, self._coming = [], []

    def _reading(self) -> AbstractAsyncContextManager[None]:
        """Return a block in which tails may be read back into memory, and are to be stored: others wait for its end."""
        return self._share.joining() if self._state.tails else nullcontext()

    async def _keep(self, size: int) -> None:
        """Have the first `size` of the bytes behind the parts in memory, and only those."""
        await self._join()
        found = size_of(self._waiting)
        if found < size:
            raise SizeMismatch(found=self._state.parts_size + found, expected=self._state.parts_size + size)
        if found > size:
            self._waiting = [b"".join(self._waiting)[:size]]
            self._share.stored(found - size)

    async def _join(self) -> None:
        """Read the tails back."""
        contents = []
        for tail in self._state.tails:
            content = b"".join([piece async for piece in read(self._objects, tail.key, 0, tail.size - 1)])
            if (await sums_of([content])).sha256 != tail.sha256:
                raise SizeMismatch(found=self._state.parts_size, expected=self._state.size)
            contents.append(content)
        self._share.add(size_of(contents))
        self._waiting = [*contents, *self._waiting]
        self._state = msgspec.structs.replace(self._state, tails=())

    async def _store_waiting(self) -> None:
        """Make what waits in memory durable: as a part where it may be one, else as a tail."""
        if not self._waiting:
            return
        if self._state.upload and self._state.tails_size + size_of(self._waiting) >= _SMALLEST_PART:
            await self._send_waiting()
        elif len(self._state.tails) < _MOST_TAILS:
            await self._put_tail()
        else:
            async with self._reading():
                await self._join()
                await self._put_tail()

    async def _put_tail(self) -> None:
        key, size = self._new_key(), size_of(self._waiting)
        tail = Tail(key, size, await self._objects.put(key, self._waiting))
        self._state = msgspec.structs.replace(self._state, tails=(*self._state.tails, tail))
        self._let_go()

    async def _send_waiting(self) -> None:
        await self._sent(beside=_SENT_BESIDE)
        async with self._reading():
            await self._join()
            await self._send()

    async def _send(self) -> None:
        """Begin to send what waits as a part."""
        if not self._state.upload:
            key = f"{BLOBS}{self._handle}.{new_token()[:16]}"
            self._state = msgspec.structs.replace(self._state, key=key, upload=await self._objects.begin(key))
        number = self._next_number()
        pieces, self._waiting = self._waiting, []
        part = Part(number, size_of(pieces), "")
        self._share.send(part.size)
        # Its size is known now, so that the next one can be chosen while it is sent.
        self._state = msgspec.structs.replace(self._state, parts=(*self._state.parts, part), next=number + 1)
        turns = self._objects.calls.turn()
        await turns.acquire()  # nothing more is taken from the client until then
        sending = asyncio.create_task(self._send_part(part, pieces), name=f"part {number} of {self._handle}")
        sending.add_done_callback(lambda _task: turns.release())
        sending.add_done_callback(lambda _task: self._share.sent(part.size))
        self._sending.append(sending)

    def _next_number(self) -> int:
        """Return the number of the part that is sent next. Raises ObjectTooLarge, and why it is no longer ours."""
        if self._revoked:
            raise self._revoked
        if self._state.next > _MOST_PARTS:
            raise ObjectTooLarge(parts=_MOST_PARTS)
        return self._state.next

    async def _send_part(self, part: Part, pieces: Sequence[bytes]) -> None:
        stored = await self._objects.put_part(self._state.key, self._state.upload, part.number, pieces)
        if stored.etag is None:
            raise SizeMismatch(found=0, expected=self._state.parts_size)
        sent = Part(part.number, part.size, stored.etag, stored.etag == stored.md5)
        parts, place = self._state.parts, self._state.parts.index(part)
        self._state = msgspec.structs.replace(self._state, parts=(*parts[:place], sent, *parts[place + 1 :]))

    async def _sent(self, beside: int = 0) -> None:
        """Wait for the parts that are on their way but so many; a failure is told to all who wait, until it is cut back."""
        while len(self._sending) > beside:
            first = self._sending[0]
            await first
            if first in self._sending:  # else all were stopped meanwhile
                self._sending.remove(first)

    async def _stop_sending(self) -> None:
        sending, self._sending = self._sending, []
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _complete(self, size: int, digest: Digest | None) -> str:
        """Make the parts an object; repeatable, also by another process when that was not recorded. Raises SizeMismatch."""
        await self._sent()  # what others needed the memory of may still be on its way
        if self._revoked:
            raise self._revoked
        key, upload = self._state.key, self._state.upload
        async with self._reading():
            await self._keep(size - self._state.parts_size)
            parts = [*self._state.parts, *await self._last_part()]
        done = await self._objects.complete(key, upload, [(part.number, part.etag) for part in parts])
        answer = await self._objects.head(key)
        if answer is None or answer.size != size or not await self._is_whole(answer, parts, digest, done=done):
            raise SizeMismatch(found=0 if answer is None or answer.size == size else answer.size, expected=size)
        return key

    async def _last_part(self) -> list[Part]:
        """Send what waits; of an upload that is no more, since it may be an object already, say what its last part must be."""
        if not self._waiting:
            return []
        number = self._next_number()
        stored = await self._objects.put_part(self._state.key, self._state.upload, number, self._waiting)
        etag = stored.md5 if stored.etag is None else stored.etag
        part = Part(number, size_of(self._waiting), etag, etag == stored.md5)
        self._let_go()
        return [part]

    async def _is_whole(self, answer: Answer, parts: list[Part], digest: Digest | None, *, done: bool) -> bool:
        """Tell whether the object is made of these parts, and not of others that somebody else has sent."""
        agrees = agree(answer.headers.get("etag", "").strip('"'), parts)
        if agrees is not None or done or digest is None:
            return done if agrees is None else agrees
        hash_ = new_hash(digest.algorithm)  # nothing but its bytes can tell
        async for batch in batches(read(self._objects, self._state.key, 0, answer.size - 1), BATCH_BYTES):
            await asyncio.to_thread(feed, hash_, batch)
        return hash_.hexdigest() == digest.hex

    def _new_key(self) -> str:
        key = f"{BLOBS}{self._handle}.{new_token()[:16]}"
        self._made.append(key)
        return key


def _part_size(parts: int) -> int:
    """Return how many bytes the next part has, behind so many."""
    return int(min(_PART << (parts // _DOUBLED_EVERY), _LARGEST_PART))
