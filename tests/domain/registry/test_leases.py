"""Leases whose renewal goes wrong: who cannot know that it still holds an upload sends nothing more of it."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from entrepot.domain.registry.model import Upload
from entrepot.domain.registry.queries.uploads import Times
from entrepot.domain.registry.service.leases import Lease, _Renewal
from entrepot.platform.db.database import DatabaseUnavailable
from entrepot.platform.storage.hashing import new_hash
from entrepot.platform.storage.s3.driver import BucketStorage
from support.parts import opened, prepared
from support.s3 import S3Server
from support.stores import pieces


def test_a_renewal_that_hangs_revokes_when_the_lease_has_ended(tmp_path: Path, s3: S3Server) -> None:
    async def scenario() -> None:
        storage = BucketStorage(s3.new_bucket().place(), s3.environment)
        async with opened(prepared(tmp_path, "")) as db, storage.hold("handle", 0) as held:
            with (tmp_path / "entrepot.db-writer").open("rb") as turn:
                fcntl.flock(turn, fcntl.LOCK_EX)  # as a writer that was frozen
                lease = Lease(Upload("id", 1, "handle", "sha256", 0, None), "token", held)
                renewal = _Renewal(db, lease, Times(lease_us=300_000, lifetime_us=1))
                await asyncio.sleep(0.6)
                with pytest.raises(DatabaseUnavailable):
                    await held.append(0, pieces(bytes(6 << 20)), new_hash("sha256"))
                await renewal.stop()
        await storage.close()

    asyncio.run(scenario())
