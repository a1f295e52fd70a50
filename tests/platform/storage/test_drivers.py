"""What every driver of the blob store promises (entrepot.platform.storage.driver), sentence by sentence."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from entrepot.base.bucket import parse_bucket
from entrepot.platform.storage.driver import ObjectLost, SizeMismatch, StorageDriver, StorageUnavailable
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.platform.storage.hashing import continued_hash, new_hash
from entrepot.spec.oci.digest import Digest
from support.stores import STATES, another_process, append, finish, held, pieces

_T = TypeVar("_T")
MIB: Final = 1 << 20
CONTENT: Final = random.Random(1).randbytes(3 * MIB + 12_345)


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(coroutine)


async def add(driver: StorageDriver, handle: str, offset: int, *content: bytes) -> int:
    return await append(driver, handle, offset, pieces(*content))


async def stored(driver: StorageDriver, content: bytes) -> str:
    handle = driver.new_handle()
    await add(driver, handle, 0, content)
    return await finish(driver, handle, content)


async def fetch(driver: StorageDriver, key: str, first: int, last: int) -> bytes:
    return b"".join([piece async for piece in driver.read(key, first, last)])


async def listed(driver: StorageDriver) -> dict[str, tuple[str, int]]:
    return {found.key: (found.handle, found.size) async for found in driver.list_all()}


async def digest_of(driver: StorageDriver, handle: str, size: int) -> str:
    hash_ = new_hash("sha256")
    async with held(driver, handle, size) as upload:
        await upload.rehash(size, hash_)
    return hash_.hexdigest()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, len(CONTENT)])
@pytest.mark.parametrize("piece", [1000, MIB, 5 * MIB])
def test_what_was_appended_is_hashed_and_read_back(driver: StorageDriver, size: int, piece: int) -> None:
    content = CONTENT[:size]
    hash_ = new_hash("sha256")

    async def scenario() -> bytes:
        handle = driver.new_handle()
        parts = [content[place : place + piece] for place in range(0, size, piece)]
        assert await append(driver, handle, 0, pieces(*parts), hash_) == size
        key = await finish(driver, handle, content)
        assert await driver.size(key) == size
        return await fetch(driver, key, 0, size - 1)

    assert run(scenario()) == content
    assert hash_.hexdigest() == hashlib.sha256(content).hexdigest()


def test_handles_are_never_used_twice(driver: StorageDriver, twin: StorageDriver) -> None:
    assert len({each.new_handle() for each in (driver, twin) for _ in range(1000)}) == 2000


def test_equal_bytes_under_two_handles_have_two_keys_that_hold_the_handles(driver: StorageDriver) -> None:
    async def scenario() -> dict[str, tuple[str, int]]:
        assert await stored(driver, b"same") != await stored(driver, b"same")
        return await listed(driver)

    found = run(scenario())
    assert len(found) == 2
    assert all(handle in key for key, (handle, _) in found.items())


def test_another_process_continues_an_upload_with_its_hash(driver: StorageDriver, kind: str, where: str) -> None:
    handle = driver.new_handle()
    child = another_process(kind, where, "append", handle, "0", b"from there ".hex())
    size, state = child.communicate()[0].split()
    assert size == "11"
    STATES[handle] = None if state == "None" else state

    async def scenario() -> bytes:
        begun = new_hash("sha256")
        begun.update(b"from there ")
        hash_ = continued_hash("sha256", begun.state() or b"")
        assert hash_ is not None
        assert await append(driver, handle, 11, pieces(b"to here"), hash_) == 18
        assert hash_.hexdigest() == hashlib.sha256(b"from there to here").hexdigest()
        return await fetch(driver, await finish(driver, handle, b"from there to here"), 0, 17)

    assert run(scenario()) == b"from there to here"


def test_bytes_of_an_append_that_broke_off_are_cut_away(driver: StorageDriver, twin: StorageDriver) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT[:2_500_000]
        raise ConnectionError("the client went away")

    async def scenario() -> bytes:
        handle = driver.new_handle()
        assert await add(driver, handle, 0, b"kept") == 4
        with pytest.raises(ConnectionError):
            await append(driver, handle, 4, broken())
        assert await add(twin, handle, 4, b" end") == 8
        assert await digest_of(driver, handle, 8) == hashlib.sha256(b"kept end").hexdigest()
        return await fetch(twin, await finish(twin, handle, b"kept end"), 0, 7)

    assert run(scenario()) == b"kept end"


def test_an_empty_append_cuts_away_what_lies_behind_too(driver: StorageDriver) -> None:
    async def scenario() -> dict[str, tuple[str, int]]:
        handle = driver.new_handle()
        await add(driver, handle, 0, b"kept and not")
        assert await add(driver, handle, 4) == 4
        return await listed(driver)

    assert [size for _, size in run(scenario()).values()] == [4]


def test_appending_behind_what_is_there_is_refused_with_both_sizes(driver: StorageDriver) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        await add(driver, handle, 0, b"1234")
        for content in ((b"x",), (CONTENT,)):
            with pytest.raises(SizeMismatch) as refused:
                await add(driver, handle, 5, *content)
            assert (refused.value.facts["found"], refused.value.facts["expected"]) == (4, 5)

    run(scenario())


@pytest.mark.parametrize("there", [True, False])
def test_what_never_became_durable_is_neither_hashed_nor_finished(driver: StorageDriver, *, there: bool) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        if there:
            await add(driver, handle, 0, b"1234")
            with pytest.raises(SizeMismatch):
                await digest_of(driver, handle, 5)
        with pytest.raises(SizeMismatch) as refused:
            await finish(driver, handle, b"12345")
        assert refused.value.facts["found"] == (4 if there else 0)

    run(scenario())


def test_finish_keeps_no_byte_beyond_the_size(driver: StorageDriver) -> None:
    async def scenario() -> tuple[int | None, bytes]:
        handle = driver.new_handle()
        await add(driver, handle, 0, b"12345678")
        key = await finish(driver, handle, b"1234")
        return await driver.size(key), await fetch(driver, key, 0, 3)

    assert run(scenario()) == (4, b"1234")


def test_finish_can_be_repeated_by_another_process_after_a_crash(driver: StorageDriver, twin: StorageDriver) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        await add(driver, handle, 0, b"whole")
        first = await finish(driver, handle, b"whole")
        assert await finish(twin, handle, b"whole") == first
        assert await fetch(twin, first, 0, 4) == b"whole"
        async with held(twin, handle, 5) as upload:
            assert await upload.append(5, pieces(), new_hash("sha256")) == 5
            with pytest.raises(SizeMismatch):
                await upload.finish(Digest.of(b"whole"), 6)

    run(scenario())


def test_an_object_is_not_there_before_finish(driver: StorageDriver, kind: str) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        await add(driver, handle, 0, b"x")
        before = await listed(driver)
        key = await finish(driver, handle, b"x")
        # In a bucket a small upload has its name from the beginning, which nobody is told.
        assert key not in before or kind == "s3"
        assert list(await listed(driver)) == [key]

    run(scenario())


def test_abort_deletes_the_bytes_and_can_be_repeated(driver: StorageDriver) -> None:
    async def scenario() -> None:
        handle = driver.new_handle()
        await driver.abort(handle, STATES.get(handle))
        await add(driver, handle, 0, b"x")
        await driver.abort(handle, STATES[handle])
        await driver.abort(handle, STATES[handle])
        assert await listed(driver) == {}

    run(scenario())


@pytest.mark.parametrize("finished", [False, True])
def test_dropped_bytes_are_gone_also_when_they_were_an_object_already(
    driver: StorageDriver, twin: StorageDriver, *, finished: bool
) -> None:
    async def scenario() -> None:
        other, handle = await stored(driver, b"spare"), driver.new_handle()
        await add(driver, handle, 0, b"spare")
        if finished:
            await finish(driver, handle, b"spare")
        for each in (driver, twin):  # a second time nothing happens
            async with held(each, handle, 5) as upload:
                await upload.drop(Digest.of(b"spare"))
        assert list(await listed(driver)) == [other]

    run(scenario())


def test_spare_bytes_become_an_object_like_others_when_they_are_needed_after_all(driver: StorageDriver) -> None:
    async def scenario() -> bytes:
        handle, hash_ = driver.new_handle(), new_hash("sha256")
        async with held(driver, handle, 0) as upload:
            size = await upload.append(0, pieces(CONTENT[:MIB], CONTENT[MIB:]), hash_, last=True, spare=True)
            key = await upload.finish(Digest.of(CONTENT), size)
        assert hash_.hexdigest() == Digest.of(CONTENT).hex
        return await fetch(driver, key, 0, size - 1)

    assert run(scenario()) == CONTENT


def test_delete_takes_one_object_and_can_be_repeated(driver: StorageDriver) -> None:
    async def scenario() -> None:
        gone, kept = await stored(driver, b"same"), await stored(driver, b"same")
        await driver.delete(gone)
        await driver.delete(gone)
        assert await driver.size(gone) is None
        assert list(await listed(driver)) == [kept]

    run(scenario())


@pytest.mark.parametrize(
    ("first", "last"), [(0, 0), (0, MIB - 1), (0, MIB), (MIB - 1, MIB), (5, 2 * MIB), (MIB, 2 * MIB - 1), (3 * MIB, 3 * MIB + 9)]
)
def test_reading_a_range_gives_just_these_bytes(driver: StorageDriver, first: int, last: int) -> None:
    async def scenario() -> bytes:
        return await fetch(driver, await stored(driver, CONTENT), first, last)

    assert run(scenario()) == CONTENT[first : last + 1]


def test_reading_what_is_not_there_is_no_empty_answer(driver: StorageDriver, twin: StorageDriver) -> None:
    async def scenario() -> None:
        key = await stored(driver, b"x")
        with pytest.raises(StorageUnavailable):
            await fetch(twin, key, 0, 1)
        await driver.delete(key)
        with pytest.raises(ObjectLost):
            await fetch(twin, key, 0, 0)

    run(scenario())


@pytest.mark.parametrize(("first", "size"), [(0, len(CONTENT)), (0, 1), (MIB - 1, 2), (7, 2 * MIB), (3 * MIB, 1 << 30)])
def test_a_hash_is_fed_with_just_these_bytes(driver: StorageDriver, first: int, size: int) -> None:
    hash_ = new_hash("sha256")

    async def scenario() -> int:
        return await driver.feed(await stored(driver, CONTENT), first, size, hash_)

    wanted = CONTENT[first : first + size]
    assert run(scenario()) == len(wanted)
    assert hash_.hexdigest() == hashlib.sha256(wanted).hexdigest()


def test_nothing_is_fed_behind_the_end_and_a_lost_object_is_said_to_be_lost(driver: StorageDriver) -> None:
    async def scenario() -> None:
        key, hash_ = await stored(driver, b"1234"), new_hash("sha256")
        assert await driver.feed(key, 4, 10, hash_) == 0
        await driver.delete(key)
        with pytest.raises(ObjectLost):
            await driver.feed(key, 0, 10, hash_)

    run(scenario())


def test_what_is_set_aside_is_served_and_listed_no_more_and_not_lost(
    driver: StorageDriver, twin: StorageDriver, kind: str, where: str
) -> None:
    async def scenario() -> str:
        key = await stored(driver, b"1234")
        assert driver.at_hand(key, 4) in (b"1234", None)
        aside = await twin.set_aside(key)
        with pytest.raises(ObjectLost):
            await driver.set_aside(key)
        assert await driver.size(key) is None
        assert await listed(driver) == {}
        assert twin.at_hand(key, 4) is None
        return aside

    aside = run(scenario())
    if kind == "filesystem":
        assert Path(aside).read_bytes() == b"1234"
    else:
        assert run(fetch(driver, aside.removeprefix(parse_bucket(where).told), 0, 3)) == b"1234"


@pytest.mark.parametrize("size", [0, 1, 64 << 10])
def test_a_small_object_is_at_hand_or_none(driver: StorageDriver, size: int) -> None:
    async def scenario() -> None:
        key = await stored(driver, CONTENT[:size])
        for _ in range(2):
            assert driver.at_hand(key, size) in (CONTENT[:size], None)
        assert driver.at_hand(await stored(driver, CONTENT), len(CONTENT)) is None
        assert driver.at_hand("blobs/sha256/00/nothing.there", 1) is None

    run(scenario())


@pytest.mark.parametrize("key", ["../outside", "blobs/../../outside", "blobs/sha256/\0"])
def test_a_key_that_leads_out_of_the_folder_is_none(tmp_path: Path, key: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "data").mkdir()

    async def scenario() -> None:
        storage = FilesystemStorage(tmp_path / "data")
        await storage.prepare()
        assert storage.at_hand(key, 6) is None
        for attempt in (anext(storage.read(key, 0, 5)), storage.size(key), storage.set_aside(key), storage.delete(key)):
            with pytest.raises(StorageUnavailable):
                await attempt
        await storage.close()

    run(scenario())
    assert (tmp_path / "outside").read_bytes() == b"secret"


def test_an_object_that_is_not_as_long_as_its_row_says_is_not_at_hand(driver: StorageDriver) -> None:
    async def scenario() -> None:
        key = await stored(driver, b"1234")
        assert driver.at_hand(key, 3) is None
        assert driver.at_hand(key, 5) is None

    run(scenario())


@pytest.mark.parametrize("kind", ["filesystem"])
def test_of_very_small_objects_not_endlessly_many_are_remembered(driver: StorageDriver, place: Path) -> None:
    async def scenario() -> None:
        first = await stored(driver, b"1")
        many = [f"{first}-{number}" for number in range(30_000)]
        for key in many:
            (place / key).write_bytes(b"x")
        driver.at_hand(first, 1)
        await driver.delete(first)
        for key in many:
            driver.at_hand(key, 1)
        assert driver.at_hand(first, 1) is None
        for key in many:
            (place / key).unlink()

    run(scenario())


def test_listing_shows_objects_and_uploads_with_size_and_age(driver: StorageDriver) -> None:
    async def scenario() -> None:
        key, handle = await stored(driver, b"object"), driver.new_handle()
        await add(driver, handle, 0, b"upload")
        found = [each async for each in driver.list_all()]
        assert {handle} < {each.handle for each in found}
        assert all(each.handle in each.key for each in found)
        assert key in {each.key for each in found}
        assert [each.size for each in found] == [6, 6]
        youngest = max(each.modified_at_us for each in found)
        assert all(0 <= youngest - each.modified_at_us < 60_000_000 for each in found)
        assert youngest > 1_600_000_000_000_000

    run(scenario())
