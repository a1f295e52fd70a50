"""What a blob store must do. Drivers are interchangeable and pass one suite (tests/platform/storage/test_drivers.py).

Keys are opaque and never reused; what lies under a key never changes. A handle is a plain value kept in the upload's row, so
any process that reads the row continues the upload. The handle is the unique part of the key that `finish` will return:
whatever lies in the store belongs to the blob row with that key or to the upload row with that handle, else to nobody.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

import msgspec

from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.platform.storage.hashing import RunningHash
from entrepot.spec.oci.digest import Digest


class StorageUnavailable(Unavailable):
    """The store does not take or give bytes at the moment."""


class StorageFull(StorageUnavailable):
    """The store has no room left."""

    summary = (
        "the registry's storage is full, so that nothing can be pushed: delete images that nobody needs, "
        "or ask its administrator to make room; try again in {retry_after_s} seconds"
    )


class StorageReadOnly(StorageUnavailable):
    """The store gives bytes and takes none."""

    summary = (
        "the registry's storage can only be read at the moment: its administrator must make it writable again; "
        "try again in {retry_after_s} seconds"
    )


class StorageAway(StorageUnavailable):
    """The store's disk is not where it was: all that lay on it is not lost, but elsewhere."""

    summary = (
        "the registry's storage is not there at the moment: its administrator must bring its disk back; "
        "try again in {retry_after_s} seconds"
    )


class StoreTaken(StorageUnavailable):
    """The store is marked as another registry's."""

    summary = (
        "the storage is marked as another registry's: its administrator must correct --storage; "
        "try again in {retry_after_s} seconds"
    )


class UploadBusy(EntrepotError):
    """Another request holds the upload's bytes."""

    summary = "another request is writing to this upload: wait for it to end, then ask for the upload's offset"


class SizeMismatch(EntrepotError):
    """The upload's bytes are not as many as its row says: some of them never became durable."""

    summary = "the upload has {found} bytes in the store where {expected} were recorded: start the upload again"


class ObjectLost(EntrepotError):
    """The store works, and has no such object: its bytes were lost."""

    summary = "the bytes of {key} are not in the registry's storage any more: push them again, which heals it everywhere"


class ObjectTooLarge(EntrepotError):
    """The upload has as many parts as a bucket takes for one object."""

    summary = "the upload came in so many small chunks that the storage takes no more than these {parts}: send larger ones"


class Stored(msgspec.Struct, frozen=True):
    """An object found in the store: `handle` is the unique part of its key, `modified_at_us` microseconds UTC."""

    key: str
    handle: str
    size: int
    modified_at_us: int


class HeldUpload(Protocol):
    """An upload's bytes in the hands of one request: nobody else changes them until it lets go.

    `state` is what the upload's row says of them in the store's own words. It is set from the row that was leased, before
    anything else; what it has become is recorded with the new offset, in the transaction that ends the lease. Then `settle`.
    """

    state: str | None

    async def append(
        self, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash, *, last: bool = False, spare: bool = False
    ) -> int:
        """Write `chunks` at `offset` (bytes), cutting off what lies behind it; return the new offset, durable.

        The `last` one is followed by `finish` or `drop` before the offset is recorded anywhere, and need not be durable before
        that. When it is `spare` too, most likely `drop` will follow.

        Raises:
            SizeMismatch: the store has fewer bytes than `offset`.
            ObjectTooLarge
        """

    async def settle(self) -> None:
        """Take away what the row named before: it was committed, under the lease, that it names `state` now."""

    def inherit(self) -> None:
        """Be told that whoever held the upload before has not let go of it, and may still be writing."""

    def revoke(self, why: EntrepotError | None) -> None:
        """Be told that another may hold the upload: store nothing more of it, and raise this. None takes it back."""

    async def cut(self, size: int) -> None:
        """Give back what lies behind the first `size` bytes: nobody will ever say that it is there.

        Raises:
            SizeMismatch: the store has fewer bytes.
        """

    async def rehash(self, size: int, hash_: RunningHash) -> None:
        """Feed the first `size` bytes to `hash_`: for a digest that could not run along.

        Raises:
            SizeMismatch: the store has fewer bytes.
        """

    async def finish(self, digest: Digest, size: int) -> str:
        """Make the first `size` bytes an object, durable before its key is returned.

        Repeatable: when a finish of the same upload was not recorded, its key is returned again.

        Raises:
            SizeMismatch: the store has fewer bytes.
        """

    async def drop(self, digest: Digest) -> None:
        """Delete the upload's bytes, also those of a `finish` with this digest that was not recorded: its row is no more."""


class StorageDriver(Protocol):
    """Every method may raise StorageUnavailable; nothing is visible under a key before `finish` returns.

    Nothing is ever said to be missing while the store is away: it is StorageAway then.
    """

    def new_handle(self) -> str:
        """Return a handle that was never used; to be recorded in the upload's row before a byte is stored."""

    def require_room(self, size_bytes: int) -> None:
        """Do nothing when so many more bytes may be stored: asked before they come. It takes microseconds.

        Raises:
            StorageFull, StorageReadOnly, StorageAway
        """

    def awaiting(self, size_bytes: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Keep room for a body of so many bytes (None: nobody knows), beside all that are coming, until the block is left.

        What it gives is told each piece that came, and raises as this does when there is no room for the rest.

        Raises:
            StorageFull, StorageReadOnly, StorageAway
        """

    async def require_presence(self, identity: str | None = None) -> None:
        """Do nothing when the store can be read: what is found missing then is missing.

        With an identity it must be that registry's, too.

        Raises:
            StorageAway, StoreTaken
        """

    def hold(self, handle: str, size: int) -> AbstractAsyncContextManager[HeldUpload]:
        """Keep everyone else from the upload's bytes, of which `size` were recorded, until the block is left.

        Raises:
            UploadBusy: another request holds them, in whatever process, frozen or not.
        """

    async def abort(self, handle: str, state: str | None = None) -> None:
        """Delete the bytes of an upload whose row is no more, and had this state; nothing happens when there are none."""

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes, None when there is no such object."""

    def read(self, key: str, first: int, last: int) -> AsyncGenerator[bytes, None]:
        """Yield the object's bytes from `first` to `last`, both inclusive.

        Raises:
            ObjectLost
        """

    def address(self, key: str, size: int) -> str | None:
        """Return where a client gets an object of this size from the store itself, for ten minutes; None when it is to ask us."""

    async def fetch(self, key: str, size: int, digest: Digest) -> bytes | None:
        """Return a small object's bytes, which `at_hand` may have the next time; None when it is to be read in pieces.

        Raises:
            ObjectLost
        """

    async def feed(self, key: str, first: int, size: int, hash_: RunningHash) -> int:
        """Feed at most `size` bytes from `first` on to `hash_`, and return how many there were.

        They are read from the medium and left out of the machine's caches, as far as that can be had: a check of everything
        must neither be told what memory remembers, nor push out what is pulled.

        Raises:
            ObjectLost
        """

    async def set_aside(self, key: str) -> str:
        """Move a damaged object to where nothing is served from, durably, and return where a person finds it.

        Raises:
            ObjectLost
        """

    def at_hand(self, key: str, size: int) -> bytes | None:
        """Return a small object's bytes when they can be had without waiting, else None."""

    async def delete(self, key: str) -> None:
        """Delete the object; nothing happens when there is none."""

    async def delete_all(self, keys: Sequence[str]) -> None:
        """Delete objects, of which some may be missing."""

    def list_all(self) -> AsyncIterator[Stored]:
        """Yield every object and every upload's bytes, in no promised order."""

    async def prepare(self, identity: str = "") -> None:
        """Make what must be there before the first push, marked as the registry's of this identity. Raises BucketUnusable."""

    async def identity(self) -> str | None:
        """Return whose the store is marked to be, empty when it does not say; None when nothing was ever kept there."""

    async def require_identity(self, identity: str | None) -> None:
        """Do nothing where the store is that registry's. Raises StoreTaken."""

    async def prepared(self) -> bool:
        """Tell whether `prepare` was done. Raises OSError."""

    async def close(self) -> None:
        """Finish what runs and let go of the store."""
