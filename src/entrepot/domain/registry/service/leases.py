"""One request at a time for each upload: taking, renewing and giving back its lease."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final

import msgspec

from entrepot.base.clock import seconds_us
from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.base.ids import new_token
from entrepot.domain.access.errors import RegistryReadOnly
from entrepot.domain.registry.errors import UploadUnknown
from entrepot.domain.registry.model import Upload
from entrepot.domain.registry.queries import uploads
from entrepot.platform.db.database import Database, DatabaseUnavailable
from entrepot.platform.storage.driver import HeldUpload, StorageDriver, UploadBusy
from entrepot.spec.oci.names import RepositoryName

_log: Final = logging.getLogger(__name__)
LEASE_S: Final = 10.0
LEASE_US: Final = seconds_us(LEASE_S)
_RENEWALS: Final = 3  # in the time for which it lasts
_ASK_EVERY_S: Final = 0.25


class Lease(msgspec.Struct, frozen=True):
    """The right to change an upload, for as long as the row holds `token`, and its bytes, which nobody else can touch."""

    upload: Upload
    token: str
    held: HeldUpload


@asynccontextmanager
async def leased(db: Database, storage: StorageDriver, name: RepositoryName, id_: str, lifetime_us: int) -> AsyncIterator[Lease]:
    """Hold the upload. What ends it (progress, completion, cancel) gives the lease back with it, else it is given back here.

    Its bytes are held first: what the row says is read only when nobody else can change them, and they are let go only when
    what was done to them is recorded. A request that was frozen meanwhile finds that it still holds them.

    Raises:
        UploadUnknown: the repository has no such upload.
        UploadBusy: another request holds it for longer than a dead process could.
    """
    times = uploads.Times(lease_us=LEASE_US, lifetime_us=lifetime_us)
    async with AsyncExitStack() as stack:
        lease = await _take(db, storage, name, id_, times, stack)
        renewal = _Renewal(db, lease, times)
        try:
            yield lease
        except BaseException:
            await renewal.stop()
            with suppress(Unavailable, RegistryReadOnly):  # it ends by itself
                await db.write(partial(uploads.release, id_=id_, token=lease.token), durable=False)
            raise
        finally:
            await renewal.stop()


class _Renewal:
    """The task that keeps a lease while a long body comes in."""

    def __init__(self, db: Database, lease: Lease, times: uploads.Times) -> None:
        self._db = db
        self._times = times
        self._lease = lease
        self._task = asyncio.create_task(self._run(), name=f"lease of {lease.upload.id}")

    async def _run(self) -> None:
        renew = partial(uploads.renew, id_=self._lease.upload.id, token=self._lease.token, times=self._times)
        lasts_s = self._times.lease_us / 1_000_000
        is_held, renewed = True, time.monotonic()
        try:
            while is_held:
                await asyncio.sleep(lasts_s / _RENEWALS)
                why: EntrepotError | None = None
                began = time.monotonic()
                rest_s = renewed + lasts_s - began
                # While the database is away or read-only the lease may end: a file's lock keeps others away, a bucket has none.
                try:
                    async with asyncio.timeout(rest_s if rest_s > 0 else None):
                        is_held = await self._db.write(renew, durable=False)
                    renewed = began
                except (Unavailable, RegistryReadOnly) as error:
                    why = error
                except TimeoutError:
                    why = DatabaseUnavailable()
                self._lease.held.revoke(why if time.monotonic() - renewed >= lasts_s else None)
        finally:
            self._lease.held.revoke(UploadBusy())

    async def stop(self) -> None:
        """End the task; a second call does nothing."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled() and self._task.exception() is not None:
            _log.error("lease_renewal_failed", exc_info=self._task.exception())


async def _take(
    db: Database, storage: StorageDriver, name: RepositoryName, id_: str, times: uploads.Times, stack: AsyncExitStack
) -> Lease:
    """Take bytes and lease. The holder may be a process that was killed a moment ago, whose lease ends by itself: so wait."""
    token = new_token()
    held: HeldUpload | None = None
    for _ in range(int(LEASE_S / _ASK_EVERY_S) + 2):
        found = await db.read(uploads.find, name.stored, id_)
        if found is None:
            raise UploadUnknown(upload=id_, repository=name.asked)
        with suppress(UploadBusy):
            if held is None:
                held = await stack.enter_async_context(storage.hold(found.handle, found.received))
            upload = await db.write(partial(uploads.take, name=name.stored, id_=id_, token=token, times=times), durable=False)
            if upload is not None:
                held.state = upload.storage_state
                if found.held:
                    held.inherit()
                return Lease(upload, token, held)
            if await db.read(uploads.find, name.stored, id_) is None:
                await storage.abort(found.handle)  # it ended just before it was held, and holding it made a file anew
        await asyncio.sleep(_ASK_EVERY_S)
    raise UploadBusy
