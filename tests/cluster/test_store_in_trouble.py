"""The object store fails in each way at each call: what was acknowledged is whole, and nothing else is ever seen.

One node reaches the store through the faulty proxy (tests/support/faulty.py), another one reaches it directly and tells what
there is. Each failure is tried once, which the node may get over, and then for as long as the whole try of the client.
"""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from entrepot.base.settings import Settings
from entrepot.domain.registry.service.collection import Collector
from entrepot.platform.storage.driver import StorageUnavailable
from support import images
from support.counts import LONG
from support.faulty import HANGS, WAYS, WRONG, Faulty
from support.http import Answer, Client
from support.instance import Instance, surroundings
from support.parts import parts, sql
from support.postgres import Cluster
from support.s3 import Bucket, S3Server
from support.trouble import Upload, everything, insist

MIB: Final = 1 << 20
SMALL: Final = 30_000
LARGE: Final = 9 * MIB + 12_345
FOR_EVER: Final = 1_000
QUICK_WAYS: Final = [*(way for way in WAYS if way != HANGS), pytest.param(HANGS, marks=pytest.mark.long)]
PATIENCE_S: Final = 180.0  # a store may take two minutes to put the parts of an upload together
SAMPLE: Final = 12  # of all the failures of a push, in `make test`
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Troubled:
    """A node behind the proxy, and one that sees the truth."""

    faulty: Faulty
    node: Instance
    other: Instance
    place: Settings
    bucket: Bucket

    def content(self, size: int) -> bytes:
        """Return content that nobody has pushed yet."""
        return random.Random(next(_numbers)).randbytes(size)


@pytest.fixture(scope="module")
def troubled(postgres: Cluster, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troubled]:
    folder: Path = tmp_path_factory.mktemp("troubled")
    bucket, database = s3.new_bucket(), postgres.new_database()
    environment = surroundings(**bucket.environment)
    with Faulty(("127.0.0.1", s3.port)) as faulty:
        storage = bucket.url(endpoint=faulty.url)
        with (
            Instance(folder / "node", database=database, environment=environment, storage=storage, jobs="none") as node,
            Instance(folder / "other", database=database, environment=environment, storage=bucket.url(), jobs="none") as other,
        ):
            place = Settings(data=str(other.data), database=database, storage=bucket.url(), access="open")
            yield Troubled(faulty, node, other, place, bucket)


def check_truth(troubled: Troubled, repository: str, content: bytes, *, acknowledged: bool) -> None:
    """Ask the node that sees the truth: the blob is whole, or there is none."""
    path = f"/v2/{repository}/blobs/{images.sha256(content)}"
    found = troubled.other.client().get(path)
    assert found.status in ((200,) if acknowledged else (200, 404)), found
    if found.status == 200:
        assert found.content == content


def calls_of_a_push(troubled: Troubled, repository: str, size: int) -> list[str]:
    """Push undisturbed and return the calls that it takes."""
    troubled.faulty.forget()
    done = Upload(troubled.node.client(), repository, troubled.content(size)).go_on()
    assert done.status == 201, done
    return troubled.faulty.calls


def try_push(troubled: Troubled, repository: str, size: int, failure: tuple[str, int, int]) -> None:
    """Push while a call fails, look, and push on when it fails no more."""
    content = troubled.content(size)
    upload = Upload(Client(troubled.node.url, limit_s=PATIENCE_S), repository, content)
    troubled.faulty.fail(*failure)
    answer = upload.go_on()
    assert answer.status in (201, 400, 404, 416, 503), answer
    check_truth(troubled, repository, content, acknowledged=answer.status == 201)
    troubled.faulty.forget()
    insist(upload.go_on, 201)
    check_truth(troubled, repository, content, acknowledged=True)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_no_half_blob_is_ever_seen_whatever_call_of_a_push_fails_in_whatever_way(
    troubled: Troubled, repository: str, size: int
) -> None:
    calls = calls_of_a_push(troubled, repository, size)
    assert ("CompleteMultipartUpload" in calls) == (size == LARGE)
    ways = WAYS if LONG else [way for way in WAYS if way != HANGS]  # each of these waits for a limit of ten seconds and more
    failures = [(way, call, times) for call in range(len(calls)) for way in ways for times in (1, FOR_EVER)]
    for failure in failures if LONG else random.Random(size).sample(failures, min(SAMPLE, len(failures))):
        print(failure, calls[failure[1]])  # noqa: T201 - shown when the test fails
        try_push(troubled, repository, size, failure)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("way", QUICK_WAYS)
def test_a_pull_gets_what_was_pushed_or_notices_that_it_did_not(troubled: Troubled, repository: str, size: int, way: str) -> None:
    content = troubled.content(size)
    digest = images.sha256(content)
    insist(Upload(troubled.node.client(), repository, content).go_on, 201)
    client = troubled.node.client()
    for times in (1, FOR_EVER):
        troubled.faulty.fail(way, "GetObject", times)
        answer = pulled(client, f"/v2/{repository}/blobs/{digest}")
        # A client compares with the digest, which a wrong byte of the store's cannot pass.
        assert answer is None or answer.status == 503 or images.sha256(answer.content) == digest or way == WRONG
    troubled.faulty.forget()
    found = insist(lambda: pulled(client, f"/v2/{repository}/blobs/{digest}"), 200)
    assert found.content == content, "wrong bytes are remembered"


def pulled(client: Client, path: str) -> Answer | None:
    """Return the answer; None where it broke off, as an answer that has begun must."""
    try:
        return client.get(path)
    except OSError:
        return None


def test_a_store_that_is_away_is_told_at_once_and_is_asked_again_when_it_is_back(troubled: Troubled, repository: str) -> None:
    content = troubled.content(SMALL)
    client = troubled.node.client()
    with troubled.faulty.closed():
        first = client.post(f"/v2/{repository}/blobs/uploads/?digest={images.sha256(content)}", body=content)
        assert first.status == 503
        assert int(first.headers["retry-after"]) > 0
        assert troubled.node.client().get("/readyz").status == 503
    insist(Upload(client, repository, content).go_on, 201)
    check_truth(troubled, repository, content, acknowledged=True)


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_an_upload_is_cancelled_whatever_the_store_does(troubled: Troubled, repository: str, way: str) -> None:
    client = troubled.node.client()
    place = insist(lambda: client.post(f"/v2/{repository}/blobs/uploads/"), 202).headers["location"]
    assert client.patch(place, body=troubled.content(LARGE)).status == 202
    troubled.faulty.fail(way, None, FOR_EVER)
    assert client.delete(place).status in (204, 503)
    troubled.faulty.forget()
    insist(lambda: client.get(place), 404, act_again=lambda: client.delete(place))


@pytest.mark.parametrize("way", QUICK_WAYS)
def test_what_cannot_be_deleted_is_not_forgotten(troubled: Troubled, repository: str, way: str) -> None:
    content = troubled.content(SMALL)
    insist(Upload(troubled.node.client(), repository, content).go_on, 201)
    digest = images.sha256(content)
    behind = msgspec.structs.replace(troubled.place, storage=troubled.bucket.url(endpoint=troubled.faulty.url))
    told = "SELECT storage_key FROM blob WHERE digest = $1"

    async def scenario() -> None:
        ((key,),) = await sql(behind, told, digest)
        await sql(behind, "DELETE FROM repository_blob WHERE blob = (SELECT id FROM blob WHERE digest = $1)", digest)
        await sql(behind, "UPDATE blob SET condemned_at = 1 WHERE digest = $1", digest)
        for times in (FOR_EVER, 0):
            async with parts(behind) as whole:
                collector = Collector(whole.db, whole.storage, whole.registry.blobs, gc_grace_s=3600)
                troubled.faulty.fail(way, "DeleteObject", times)
                with suppress(StorageUnavailable):
                    await collector.delete_condemned()
                troubled.faulty.forget()
            is_there = key in await everything(troubled.bucket)
            assert not is_there or await sql(behind, told, digest), "it lies there, and no row says so any more"
        assert not is_there

    with_keys(troubled, scenario)


def test_what_all_these_failures_left_behind_is_found_and_goes(troubled: Troubled) -> None:
    async def scenario() -> None:
        place = troubled.place
        async with parts(place) as whole:
            await sql(place, "UPDATE upload SET expires_at = 1, lease_until = 1")
            collector = Collector(whole.db, whole.storage, whole.registry.blobs, gc_grace_s=3600)
            while await collector.expire_uploads():
                pass
            assert await sql(place, "SELECT count(*) FROM upload") == [(0,)]
            # What the clean-up deletes when it has lain there for an hour.
            async for orphan in whole.registry.blobs.leftovers():
                await whole.storage.delete(orphan.key)
            keys = {str(row[0]) for row in await sql(place, "SELECT storage_key FROM blob")}
            assert await everything(troubled.bucket) == keys

    with_keys(troubled, scenario)


def with_keys(troubled: Troubled, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario in this process with the keys of the bucket."""
    with pytest.MonkeyPatch.context() as changed:
        for name, value in troubled.bucket.environment.items():
            changed.setenv(name, value)
        asyncio.run(scenario())
