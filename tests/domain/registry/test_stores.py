"""A bucket's prefix belongs to one registry: what another one is told there, and what is taken over from before that was so."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest

from conftest import new_database
from entrepot.app.checkup import checkup
from entrepot.app.parts import BucketTaken, Parts, _prepare_store, opened, prepare
from entrepot.base.settings import Settings
from entrepot.domain.registry.service import collection
from entrepot.platform.storage.driver import StorageAway, StoreTaken
from support.parts import parts, prepared, push_blob, sql
from support.s3 import Bucket, S3Server
from support.store_calls import asked, keys

pytestmark = pytest.mark.single
MARK: Final = "entrepot.json"
OLD_MARK: Final = b'{"what": "blobs of an Entrepot registry"}\n'
Make = Callable[..., Settings]


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.new_bucket()


@pytest.fixture
def make(profile: str, request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket) -> Make:
    """Make a registry with a database of its own, at this bucket unless another is named, and push blobs there."""

    def made(*contents: bytes, at: Bucket = bucket) -> Settings:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        settings = prepared(folder, new_database(profile, request), at.url())

        async def push() -> None:
            async with parts(settings) as whole:
                for content in contents:
                    await push_blob(whole, "team/one", content)

        if contents:
            prepare(settings)
            asyncio.run(push())
        return settings

    return made


def moved(settings: Settings, bucket: Bucket) -> Settings:
    return msgspec.structs.replace(settings, storage=bucket.url())


def marked(bucket: Bucket) -> str:
    return str(json.loads(asked(bucket, "GET", f"{bucket.prefix}/{MARK}")).get("registry", ""))


def known(settings: Settings) -> list[tuple[str, ...]]:
    return asyncio.run(sql(settings, "SELECT identity FROM store_mark"))


def forget(settings: Settings) -> None:
    """Make the database one from before there were ids."""
    asyncio.run(sql(settings, "DELETE FROM store_mark"))


def forget_mark(bucket: Bucket) -> None:
    """Make the mark one from before there were ids."""
    asked(bucket, "PUT", f"{bucket.prefix}/{MARK}", body=OLD_MARK)


async def rest() -> None:
    pass


async def orphans_deleted(settings: Settings) -> int:
    """Run the daily clean-up in a process that was started before somebody changed something."""
    whole = Parts(settings)
    await whole.open()
    try:
        return (await whole.registry.collector.delete_orphans(rest)).objects
    finally:
        await whole.close()


async def diagnosed(settings: Settings) -> list[str]:
    return [finding.told async for finding in checkup(settings) if finding.verdict == "error"]


async def look(settings: Settings) -> None:
    async with opened(settings):
        pass


def test_a_registry_that_is_given_anothers_prefix_starts_and_deletes_nothing(
    make: Make, bucket: Bucket, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_ORPHAN_AGE_S", -60)
    make(b"one", b"two")
    wrong = moved(make(b"other", at=s3.new_bucket()), bucket)
    before = keys(bucket, bucket.prefix)
    with pytest.raises(BucketTaken, match="a prefix of its own"):
        prepare(wrong)
    with pytest.raises(BucketTaken):
        asyncio.run(look(wrong))
    with pytest.raises(StoreTaken):
        asyncio.run(orphans_deleted(wrong))
    assert any("another registry" in told for told in asyncio.run(diagnosed(wrong)))
    assert keys(bucket, bucket.prefix) == before
    assert len(before) == 3


def test_a_new_registry_takes_no_prefix_that_another_has_not_used_yet(make: Make, bucket: Bucket) -> None:
    first = make()
    prepare(first)
    with pytest.raises(BucketTaken):
        prepare(make())
    assert [(marked(bucket),)] == known(first)
    prepare(first)


def test_nodes_that_begin_at_the_same_moment_share_a_prefix_and_registries_do_not(make: Make, s3: S3Server) -> None:
    async def begun(registries: list[Settings]) -> list[BaseException | None]:
        return await asyncio.gather(*map(_prepare_store, registries), return_exceptions=True)

    one, two = make(), make()
    for _ in range(5):
        place = s3.new_bucket()
        forget(one)
        forget(two)
        first, second = moved(one, place), moved(two, place)
        outcomes = asyncio.run(begun([first, second, first, second]))
        assert [type(each) for each in outcomes if each is not None] == [BucketTaken] * 2
        assert outcomes[:2] == outcomes[2:] or type(outcomes[0]) is type(outcomes[2])
        assert known(second if outcomes[0] else first) == [(marked(place),)]


def test_a_node_starts_while_the_registry_is_read_only(make: Make, bucket: Bucket) -> None:
    async def read_only(settings: Settings) -> None:
        async with parts(settings) as whole:
            await whole.modes.change(read_only=True)

    ours = make(b"one")
    mark = marked(bucket)
    asyncio.run(read_only(ours))
    forget(ours)
    prepare(ours)
    assert known(ours) == [(mark,)]


def test_a_registry_from_before_there_were_ids_takes_its_own_prefix_and_no_other(
    make: Make, bucket: Bucket, s3: S3Server
) -> None:
    ours = make(b"one", b"two")
    other = make(b"other", at=s3.new_bucket())
    for each in (ours, other):
        forget(each)
    forget_mark(bucket)
    for wrong in (moved(other, bucket), make()):
        with pytest.raises(BucketTaken):
            prepare(wrong)
    assert marked(bucket) == ""
    prepare(ours)
    assert known(ours) == [(marked(bucket),)]
    assert marked(bucket)


def test_a_database_restored_from_before_there_were_ids_takes_its_prefix_again(make: Make, bucket: Bucket) -> None:
    ours, stranger = make(b"one"), make()
    mark = marked(bucket)
    forget(ours)
    prepare(ours)
    assert known(ours) == [(mark,)]
    with pytest.raises(BucketTaken):
        prepare(stranger)
    assert marked(bucket) == mark


def test_a_mark_put_there_by_a_person_is_filled_in_unless_bytes_of_another_lie_there(make: Make, s3: S3Server) -> None:
    ours, empty = make(b"one"), s3.new_bucket()
    asked(empty, "PUT", f"{empty.prefix}/{MARK}", body=b"any object")
    prepare(moved(ours, empty))  # its bytes are lost, and nobody else's are there
    assert [(marked(empty),)] == known(ours)
    taken = s3.new_bucket()
    make(b"other", at=taken)
    asked(taken, "PUT", f"{taken.prefix}/{MARK}", body=b"any object")
    with pytest.raises(BucketTaken):
        prepare(moved(ours, taken))


def test_a_node_whose_prefix_was_given_to_another_is_not_ready(make: Make, bucket: Bucket) -> None:
    async def scenario(ours: Settings) -> None:
        async with parts(ours) as whole:
            assert await whole.trouble() is None
            asked(bucket, "PUT", f"{bucket.prefix}/{MARK}", body=b'{"registry": "another"}')
            assert isinstance(await whole.trouble(), StoreTaken)
            asked(bucket, "DELETE", f"{bucket.prefix}/{MARK}")
            assert isinstance(await whole.trouble(), StorageAway)

    asyncio.run(scenario(make(b"one")))


def test_the_clean_up_stops_when_the_prefix_was_given_to_another(
    make: Make, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_ORPHAN_AGE_S", -60)
    ours = make(b"one")
    left = f"{bucket.prefix}/blobs/{1:032x}.{1:016x}"
    asked(bucket, "PUT", left, body=b"left")
    assert asyncio.run(orphans_deleted(ours)) == 1
    asked(bucket, "PUT", left, body=b"left")
    for mark in (b'{"registry": "another"}', OLD_MARK):
        asked(bucket, "PUT", f"{bucket.prefix}/{MARK}", body=mark)
        with pytest.raises(StoreTaken):
            asyncio.run(orphans_deleted(ours))
    assert left in keys(bucket, left)
