"""The clean-up, step by step: what goes, what stays, and what is left when it is broken off."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.registry.errors import BlobUnknown, UploadUnknown
from entrepot.domain.registry.service.collection import Collector, Swept
from entrepot.domain.registry.service.pace import Pace
from entrepot.domain.registry.service.uploads import Body
from entrepot.platform.storage.driver import StorageAway
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob, sql
from support.stores import pieces

ONE = RepositoryName.parse("team/one")
HOUR_US = 3600 * 1_000_000
Scenario = Callable[[Parts, Collector], Awaitable[None]]


async def no_rest() -> None:
    """Go on at once."""


@pytest.fixture
def run(place: Settings) -> Callable[[Scenario], None]:
    """Run a scenario with the product's parts and a collector with a grace time of one hour."""

    def run_it(scenario: Scenario) -> None:
        async def whole() -> None:
            async with parts(place) as opened:
                await scenario(opened, Collector(opened.db, opened.storage, opened.registry.blobs, gc_grace_s=3600))

        asyncio.run(whole())

    return run_it


async def age(place: Settings, by_us: int = 2 * HOUR_US) -> None:
    """Let everything have happened earlier."""
    for statement in (
        "UPDATE repository_blob SET touched_at = touched_at - $1",
        "UPDATE repository SET uploaded_at = uploaded_at - $1",
        "UPDATE upload SET progressed_at = progressed_at - $1, expires_at = expires_at - $1",
        "UPDATE blob SET condemned_at = condemned_at - $1",
    ):
        await sql(place, statement, by_us)


async def sweep(collector: Collector) -> tuple[int, int]:
    """Sweep links and blobs to the end; return how many went."""
    links = blobs = 0
    swept = Swept((0, 0), 0)
    while swept.after is not None:
        swept = await collector.take_links(swept.after)
        links += swept.taken
    swept = Swept((0, 0), 0)
    while swept.after is not None:
        swept = await collector.condemn(swept.after[1])
        blobs += swept.taken
    return links, blobs


def files(place: Settings) -> set[str]:
    """Return the digests of the blobs' files."""
    return {path.name.partition(".")[0] for path in (Path(place.data) / "blobs").rglob("*.*")}


@pytest.mark.single  # it looks at the folder of blobs
def test_what_a_deleted_manifest_named_goes_and_its_bytes_with_it(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        await sweep(collector)
        shared, own = [await push_blob(whole, ONE.stored, content) for content in (b"shared", b"own")]
        kept = manifests.image(shared)
        gone = manifests.image(shared, own)
        for manifest in (kept, gone):
            await whole.registry.manifests.push(ANYONE, ONE, manifest, None, [])
        await whole.registry.manifests.delete(ANYONE, ONE, gone.digest)
        await age(place)
        assert await sweep(collector) == (1, 1)
        with pytest.raises(BlobUnknown):
            await whole.registry.blobs.find(ANYONE, ONE, own)
        assert (await collector.delete_condemned()).objects == 0
        assert own.hex in files(place), "whoever reads it may read on"
        await age(place)
        freed = await collector.delete_condemned()
        assert (freed.objects, freed.size) == (1, len(b"own"))
        assert own.hex not in files(place)
        assert shared.hex in files(place)
        assert await sql(place, "SELECT count(*) FROM blob WHERE digest = $1", str(own)) == [(0,)]

    run(scenario)


def test_nothing_goes_while_a_push_to_its_repository_goes_on(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        digest = await push_blob(whole, ONE.stored, b"first layer")
        await age(place)
        running = await whole.registry.uploads.start(ANYONE, ONE, "sha256")
        assert (await sweep(collector))[0] == 0
        last = b"last layer"
        await whole.registry.uploads.finish(ANYONE, ONE, running.id, Digest.of(last), Body(pieces(last)))
        assert (await sweep(collector))[0] == 0, "the manifest may still come"
        await whole.registry.manifests.push(ANYONE, ONE, manifests.image(digest), None, [])
        await age(place)
        assert (await sweep(collector))[0] == 1, "the last layer, which nothing names"

    run(scenario)


@pytest.mark.single  # it looks at the folder of blobs
def test_an_upload_that_nobody_continues_is_ended_and_its_bytes_go(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        left, running = [await whole.registry.uploads.start(ANYONE, ONE, "sha256") for _ in range(2)]
        for upload in (left, running):
            await whole.registry.uploads.append(ANYONE, ONE, upload.id, Body(pieces(b"some")))
        await sql(place, "UPDATE upload SET expires_at = 1 WHERE id = $1", left.id)
        assert await collector.expire_uploads() == 1
        assert [path.name for path in (Path(place.data) / "uploads").iterdir()] == [running.handle]
        with pytest.raises(UploadUnknown):
            await whole.registry.uploads.status(ANYONE, ONE, left.id)
        assert (await whole.registry.uploads.status(ANYONE, ONE, running.id)).received == 4
        await whole.registry.uploads.cancel(ANYONE, ONE, running.id)

    run(scenario)


def test_an_upload_that_is_held_does_not_end(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        upload = await whole.registry.uploads.start(ANYONE, ONE, "sha256")
        await sql(place, "UPDATE upload SET expires_at = 1, lease = 'x', lease_until = $2 WHERE id = $1", upload.id, 1 << 60)
        assert await collector.expire_uploads() == 0
        await sql(place, "UPDATE upload SET lease_until = 1 WHERE id = $1", upload.id)
        assert await collector.expire_uploads() == 1

    run(scenario)


@pytest.mark.single  # it looks at the folder of blobs
def test_what_belongs_to_nobody_goes_after_an_hour(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        digest = await push_blob(whole, ONE.stored, b"somebody's")
        uploads, blobs = Path(place.data) / "uploads", Path(place.data) / "blobs" / "sha256" / "00"
        for folder in (uploads, blobs):
            for name, hours in (("old", 2), ("new", 0)):
                file = folder / f"{'0' * 64}.{name}" if folder == blobs else folder / name
                file.write_bytes(b"1234")
                os.utime(file, (file.stat().st_mtime - hours * 3600,) * 2)
        freed = await collector.delete_orphans(no_rest)
        assert (freed.objects, freed.size) == (2, 8)
        assert {path.name for path in (*uploads.iterdir(), *blobs.iterdir())} == {"new", f"{'0' * 64}.new"}
        assert digest.hex in files(place)
        for left in (uploads / "new", blobs / f"{'0' * 64}.new"):
            left.unlink()

    run(scenario)


def test_a_sweep_of_many_goes_on_where_it_stopped(
    place: Settings, number: Iterator[int], run: Callable[[Scenario], None]
) -> None:
    many = 1_200

    async def scenario(whole: Parts, collector: Collector) -> None:
        await age(place)
        await sweep(collector)
        await push_blob(whole, f"many/{next(number)}", b"one that is there")
        await sql(place, "DELETE FROM repository_blob WHERE blob IN (SELECT id FROM blob WHERE digest LIKE 'sha256:many-%')")
        ((repository,),) = await sql(place, "SELECT max(id) FROM repository")
        for each in range(many):
            row = "INSERT INTO blob (digest, size, storage_key, created_at) VALUES ($1, 1, $1, 1)"
            await sql(place, row, f"sha256:many-{next(number)}-{each}")
        link = "INSERT INTO repository_blob (repository, blob, touched_at) SELECT $1, id, 1 FROM blob WHERE digest LIKE $2"
        await sql(place, link, repository, "sha256:many-%")
        await sql(place, "UPDATE repository SET uploaded_at = 1")
        first = await collector.take_links((0, 0))
        assert first.after is not None
        assert first.taken < many
        links, blobs = await sweep(collector)
        assert first.taken + links == many
        assert blobs == many
        assert await sql(place, "SELECT count(*) FROM repository_blob WHERE touched_at = 1") == [(0,)]
        await sql(place, "DELETE FROM blob WHERE digest LIKE 'sha256:many-%'")

    run(scenario)


@pytest.mark.single  # it looks at the folder of blobs
def test_nothing_is_deleted_or_forgotten_while_the_disk_is_away(place: Settings, run: Callable[[Scenario], None]) -> None:
    async def scenario(whole: Parts, collector: Collector) -> None:
        gone = await push_blob(whole, ONE.stored, b"gone with the disk")
        upload = await whole.registry.uploads.start(ANYONE, ONE, "sha256")
        await whole.registry.uploads.append(ANYONE, ONE, upload.id, Body(pieces(b"some")))
        await age(place)
        await sweep(collector)
        await age(place)
        await sql(place, "UPDATE upload SET expires_at = 1 WHERE id = $1", upload.id)
        before = await sql(place, "SELECT id, condemned_at FROM blob ORDER BY id")
        pages = await whole.registry.checker.page(0)
        for folder in ("uploads", "blobs"):
            (Path(place.data) / folder).rename(Path(place.data) / f"{folder}-away")
        try:
            steps: list[Awaitable[object]] = [
                collector.delete_condemned(),
                collector.expire_uploads(),
                collector.delete_orphans(no_rest),
                *(whole.registry.checker.blob(blob, Pace(0), repair=True) for blob in pages),
            ]
            for step in steps:
                with pytest.raises(StorageAway):
                    await step
            assert await sql(place, "SELECT id, condemned_at FROM blob ORDER BY id") == before
            assert await sql(place, "SELECT count(*) FROM upload WHERE id = $1", upload.id) == [(1,)]
        finally:
            for folder in ("uploads", "blobs"):
                (Path(place.data) / f"{folder}-away").rename(Path(place.data) / folder)
        assert await collector.expire_uploads() == 1
        assert (await collector.delete_condemned()).objects >= 1
        assert gone.hex not in files(place)

    run(scenario)
