"""One request at a time for each upload: taking, renewing and giving back its lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.errors import Unavailable
from entrepot.base.ids import new_token
from entrepot.domain.registry.errors import UploadUnknown
from entrepot.domain.registry.model import Upload
from entrepot.domain.registry.queries import uploads
from entrepot.platform.db.database import Database
from entrepot.platform.storage.driver import UploadBusy
from entrepot.spec.oci.names import RepositoryName

LEASE_S: Final = 10.0
_RENEW_EVERY_S: Final = LEASE_S / 3
_ASK_EVERY_S: Final = 0.25


class Lease(msgspec.Struct, frozen=True):
    """The right to change an upload, for as long as the row holds `token`."""

    upload: Upload
    token: str


@asynccontextmanager
async def leased(db: Database, name: RepositoryName, id_: str) -> AsyncIterator[Lease]:
    """Hold the upload. What ends it (progress, completion, cancel) gives the lease back with it, else it is given back here.

    Raises:
        UploadUnknown: the repository has no such upload.
        UploadBusy: another request holds it for longer than a dead process could.
    """
    lease = await _take(db, name, id_)
    renewal = _Renewal(db, lease)
    try:
        yield lease
    except BaseException:
        await renewal.stop()
        with suppress(Unavailable):
            await db.write(partial(uploads.release, id_=id_, token=lease.token), durable=False)
        raise
    finally:
        await renewal.stop()


class _Renewal:
    """The task that keeps a lease while a long body comes in."""

    def __init__(self, db: Database, lease: Lease) -> None:
        self._db = db
        self._lease = lease
        self._task = asyncio.create_task(self._run(), name=f"lease of {lease.upload.id}")

    async def _run(self) -> None:
        renew = partial(uploads.renew, id_=self._lease.upload.id, token=self._lease.token, lease_us=seconds_us(LEASE_S))
        held = True
        while held:
            await asyncio.sleep(_RENEW_EVERY_S)
            # When the database is away the lease may end; whoever takes over is kept out of the bytes by the store.
            with suppress(Unavailable):
                held = await self._db.write(renew, durable=False)

    async def stop(self) -> None:
        """End the task; a second call does nothing."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def _take(db: Database, name: RepositoryName, id_: str) -> Lease:
    token = new_token()
    take = partial(uploads.take, name=name.stored, id_=id_, token=token, lease_us=seconds_us(LEASE_S))
    # The holder may be a process that was killed: its lease ends by itself, and a client that retries at once must not fail.
    for _ in range(int(LEASE_S / _ASK_EVERY_S) + 2):
        upload = await db.write(take, durable=False)
        if upload is not None:
            return Lease(upload, token)
        if await db.read(uploads.find, name.stored, id_) is None:
            raise UploadUnknown(upload=id_, repository=name.asked)
        await asyncio.sleep(_ASK_EVERY_S)
    raise UploadBusy
