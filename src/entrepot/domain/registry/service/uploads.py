"""Uploads: from the first byte to the blob. The order is the law here: bytes durable, then the row, then the answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.errors import EntrepotError
from entrepot.base.ids import new_upload_id
from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.registry.errors import (
    BlobDigestMismatch,
    ChunkIncomplete,
    TooManyUploads,
    UploadLost,
    UploadOutOfOrder,
    UploadUnknown,
    mismatch,
)
from entrepot.domain.registry.model import LiveBlob, Upload
from entrepot.domain.registry.queries import blobs, names, repositories, uploads
from entrepot.domain.registry.service.leases import Lease, leased
from entrepot.domain.registry.service.places import Places
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.storage.driver import StorageDriver
from entrepot.platform.storage.hashing import RunningHash, continued_hash, new_hash
from entrepot.spec.oci.chunks import Chunk
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName

# An upload that rests for so long counts no more for its address: whoever leaves many behind locks nobody out for longer.
_REST_S: Final = 900


class Body:
    """A request's body on its way in: `chunks` yields its pieces; `interrupted` is set when it broke off.

    `size_bytes` is what was announced of it, None when nothing was.
    """

    def __init__(self, chunks: AsyncIterator[bytes], range_: Chunk | None = None, size_bytes: int | None = None) -> None:
        self.range = range_
        self.size_bytes = size_bytes
        self.interrupted: EntrepotError | None = None
        self._chunks = chunks

    async def pieces(self, came: Callable[[int], None]) -> AsyncIterator[bytes]:
        """Yield the pieces; a body that breaks off, or for which room runs out, ends early, so that what came is kept.

        `came` is told of each piece and raises when there is no room for more.
        """
        try:
            async for chunk in self._chunks:
                yield chunk
                came(len(chunk))
        except EntrepotError as error:
            self.interrupted = error


class Uploads:
    """The uploads of all repositories."""

    def __init__(
        self, db: Database, storage: StorageDriver, rule: Rule, places: Places, *, lifetime_s: int, per_address: int
    ) -> None:
        self._db = db
        self._places = places
        self._per_address = per_address
        self._lifetime_us = seconds_us(lifetime_s)
        self._storage = storage
        self._rule = rule

    async def start(self, actor: Actor, name: RepositoryName, algorithm: str, client: str = "", *, size_bytes: int = 0) -> Upload:
        """Begin an upload; `algorithm` is what its digest will most likely be of, `client` the address that it counts for.

        `size_bytes` is what is known to follow.

        Raises:
            Unproven, TooManyUploads, StorageFull, StorageReadOnly, StorageAway
        """
        await self._rule.require(actor, Action.PUSH, name)
        self._storage.require_room(size_bytes)
        id_, handle = new_upload_id(), self._storage.new_handle()
        owner = uploads.Owner(client, self._per_address, seconds_us(_REST_S))

        async def begin(tx: Transaction) -> Upload:
            repository = await self._places.of(tx, name, actor)
            upload = Upload(id_, repository, handle, algorithm, 0, None)
            if not await uploads.add_upload(tx, upload, self._lifetime_us, owner):
                raise TooManyUploads(limit=self._per_address, address=client, rest_s=_REST_S)
            return upload

        return await self._db.write(begin)

    async def mount(self, actor: Actor, name: RepositoryName, digest: Digest, source: RepositoryName | None) -> bool:
        """Let the repository have a blob that `source` (or, when None, any readable repository) has; False when it has not.

        Raises:
            Unproven: the actor may not push; that it may not read the source is no error.
        """
        await self._rule.require(actor, Action.PUSH, name)
        readable = self._rule.mounts_unasked() if source is None else await self._rule.may(actor, Action.PULL, source)
        if not readable:
            return False

        async def link(tx: Transaction) -> LiveBlob | None:
            blob = await blobs.lock_source(tx, str(digest), source.stored if source else None)
            former = await names.facts(tx, source.stored) if blob is None and source is not None else None
            if former is not None:  # what may be read was decided by what the name leads to
                blob = await blobs.lock_source(tx, str(digest), former.stored)
            if blob is not None:
                await blobs.add_link(tx, await self._places.of(tx, name, actor), blob.id)
            return blob

        linked = await self._db.write(link)
        # Bytes that were lost are asked for: the client pushes them then, which heals the blob everywhere.
        return linked is not None and await self._storage.size(linked.storage_key) == linked.size

    async def status(self, actor: Actor, name: RepositoryName, id_: str) -> Upload:
        """Return the upload as far as it is durable.

        Raises:
            Unproven, UploadUnknown
        """
        await self._rule.require(actor, Action.PUSH, name)
        found = await self._db.read(uploads.find, name.stored, id_)
        if found is None:
            raise UploadUnknown(upload=id_, repository=name.asked)
        return found

    async def is_held(self, id_: str) -> bool:
        """Tell whether a request works on the upload at the moment: for the doctor, who sends it."""
        return await self._db.read(uploads.is_held, id_)

    async def count_open(self) -> int:
        """Return how many uploads there are at the moment: for the administrator, who may know."""
        return await self._db.read(uploads.count_open)

    async def append(self, actor: Actor, name: RepositoryName, id_: str, body: Body) -> int:
        """Add bytes; return how many there are now, durable. Of a body that breaks off, what came is kept.

        Raises:
            Unproven, UploadUnknown, UploadBusy, UploadOutOfOrder, ChunkIncomplete, UploadLost, StorageFull
        """
        await self._rule.require(actor, Action.PUSH, name)
        with self._storage.awaiting(body.size_bytes) as came:
            async with leased(self._db, self._storage, name, id_, self._lifetime_us) as lease:
                async with _cut_back(lease):
                    received, hash_ = await self._receive(lease, body, came)
                state = hash_.state() if hash_ else None
                progress = uploads.Progress(id_, lease.token, received, state, lease.held.state)
                # Without a new byte nothing is told that a power cut could make untrue.
                advance = partial(uploads.advance, progress=progress, lifetime_us=self._lifetime_us)
                kept = await self._db.write(advance, durable=received > lease.upload.received)
                if kept:
                    await lease.held.settle()
        if not kept:
            raise UploadLost(upload=id_)
        if body.interrupted is not None:
            raise body.interrupted
        return received

    async def finish(self, actor: Actor, name: RepositoryName, id_: str, digest: Digest, body: Body) -> None:
        """Add the last bytes, if any, and make the upload a blob of the repository.

        Raises:
            Unproven, UploadUnknown, UploadBusy, UploadOutOfOrder, ChunkIncomplete, UploadLost, BlobDigestMismatch, StorageFull
        """
        await self._rule.require(actor, Action.PUSH, name)
        # An upload whose bytes are all here takes no more room.
        room = self._storage.awaiting(body.size_bytes) if body.size_bytes != 0 else nullcontext(_nothing)
        try:
            with room as came:
                await self._finish(name, id_, digest, body, came)
        except UploadUnknown:
            # The first answer may have been lost on its way: what this request asks for is the case.
            link = await self._db.read(blobs.link, name.stored, str(digest))
            if link is None or not await self._db.write(partial(blobs.touch, name=name.stored, blob_=link.blob)):
                raise

    async def finish_whole(self, actor: Actor, name: RepositoryName, id_: str, digest: Digest, body: Body) -> None:
        """Do `finish` for an upload that was begun by the same request: nobody else knows it, so a failure leaves nothing.

        Raises:
            what `finish` does
        """
        try:
            await self.finish(actor, name, id_, digest, body)
        except BaseException:  # a request that is cancelled too
            with suppress(EntrepotError):  # the first reason is the one to be told; what stays expires
                await self.cancel(actor, name, id_)
            raise

    async def _finish(self, name: RepositoryName, id_: str, digest: Digest, body: Body, came: Callable[[int], None]) -> None:
        async with leased(self._db, self._storage, name, id_, self._lifetime_us) as lease:
            known = await self._db.read(blobs.find_live, str(digest))
            async with _cut_back(lease):
                received, hash_ = await self._receive(lease, body, came, last=True, spare=known is not None)
                if body.interrupted is not None:
                    raise body.interrupted
            await self._check(lease, digest, received, hash_)
            if known is not None and await self._link(lease, digest, known):
                with suppress(EntrepotError):  # what stays is found by the clean-up; the push has succeeded
                    await lease.held.drop(digest)
                return
            async with _cut_back(lease):
                key = await lease.held.finish(digest, received)
            kept = await self._store(lease, digest, received, key)
            await lease.held.settle()
        if kept != key:
            with suppress(EntrepotError):
                await self._storage.delete(key)  # the same bytes are here already

    async def cancel(self, actor: Actor, name: RepositoryName, id_: str) -> None:
        """Forget the upload and its bytes.

        Raises:
            Unproven, UploadUnknown, UploadBusy
        """
        await self._rule.require(actor, Action.PUSH, name)
        async with leased(self._db, self._storage, name, id_, self._lifetime_us) as lease:
            if await self._db.write(partial(uploads.end, id_=id_, token=lease.token)):
                with suppress(EntrepotError):  # its row is no more: what stays is found by the clean-up
                    await self._storage.abort(lease.upload.handle, lease.held.state)

    async def _receive(
        self, lease: Lease, body: Body, came: Callable[[int], None], *, last: bool = False, spare: bool = False
    ) -> tuple[int, RunningHash | None]:
        """Write the body behind what there is; return the new size and the hash of it all, None when it must be computed."""
        upload, expected = lease.upload, body.range
        if expected is not None and expected.first != upload.received:
            raise UploadOutOfOrder(first=expected.first, received=upload.received, upload=upload.id)
        hash_ = _hash_of(upload)
        hashed = hash_ or new_hash(upload.algorithm)
        received = await lease.held.append(upload.received, body.pieces(came), hashed, last=last, spare=spare)
        found = received - upload.received
        if expected is not None and found != expected.size and body.interrupted is None:
            raise ChunkIncomplete(expected=expected.size, found=found)
        return received, hash_

    async def _check(self, lease: Lease, digest: Digest, received: int, hash_: RunningHash | None) -> None:
        """Compare the digest of the bytes with the one that was said; bytes of another one are discarded."""
        if hash_ is None or hash_.algorithm != digest.algorithm:
            hash_ = new_hash(digest.algorithm)
            await lease.held.rehash(received, hash_)
        found = hash_.hexdigest()
        if found != digest.hex:
            # Bytes of a lease that was lost may be another's by now.
            if await self._db.write(partial(uploads.end, id_=lease.upload.id, token=lease.token)):
                with suppress(EntrepotError):  # the client is to be told of its digest
                    await lease.held.drop(digest)
            raise BlobDigestMismatch(**mismatch(found, digest))

    async def _link(self, lease: Lease, digest: Digest, known: LiveBlob) -> bool:
        """Let the repository have a blob whose bytes are here, durable since it was made; False when they have gone."""
        if await self._storage.size(known.storage_key) != known.size:
            return False

        async def link(tx: Transaction) -> bool:
            blob = await blobs.lock_live(tx, str(digest))
            if blob is None or blob.storage_key != known.storage_key:
                return False
            if not await uploads.end(tx, lease.upload.id, lease.token):
                raise UploadLost(upload=lease.upload.id)
            await blobs.add_link(tx, lease.upload.repository, blob.id)
            await repositories.note_upload(tx, lease.upload.repository)
            return True

        return await self._db.write(link)

    async def _store(self, lease: Lease, digest: Digest, size: int, key: str) -> str:
        """Write the rows that make the blob visible; return the key under which its bytes are kept from now on."""
        damaged = await self._damaged(digest, size)

        async def store(tx: Transaction) -> str:
            if not await uploads.end(tx, lease.upload.id, lease.token):
                raise UploadLost(upload=lease.upload.id)
            blob = await blobs.add_blob(tx, str(digest), size, key)
            await blobs.add_link(tx, lease.upload.repository, blob.id)
            if damaged is not None and blob.storage_key == damaged.storage_key:
                await blobs.replace_key(tx, blob.id, key)
                blob = msgspec.structs.replace(blob, storage_key=key)
            await repositories.note_upload(tx, lease.upload.repository)
            return blob.storage_key

        return await self._db.write(store)

    async def _damaged(self, digest: Digest, size: int) -> LiveBlob | None:
        """Return the blob of this digest if its bytes have been lost: this push heals it."""
        known = await self._db.read(blobs.find_live, str(digest))
        if known is None or await self._storage.size(known.storage_key) == size:
            return None
        return known


@asynccontextmanager
async def _cut_back(lease: Lease) -> AsyncIterator[None]:
    """Give back what a failure leaves behind the bytes that are recorded: the client is told nothing of it and sends it again."""
    try:
        yield
    except BaseException:
        with suppress(EntrepotError):  # the first reason is the one to be told
            await lease.held.cut(lease.upload.received)
        raise


def _nothing(_came: int) -> None:
    """Do nothing."""


def _hash_of(upload: Upload) -> RunningHash | None:
    """Return the hash that has seen the upload's bytes, None when they must be read again at its end."""
    if upload.received == 0:
        return new_hash(upload.algorithm)
    return continued_hash(upload.algorithm, upload.hash_state) if upload.hash_state is not None else None
