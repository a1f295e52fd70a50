"""Calls to a store: where they go, what is done again, and what is refused while it is away."""

import asyncio
import time
from typing import Final

import pytest

from entrepot.base.bucket import parse_bucket
from entrepot.platform.storage.driver import StorageAway
from entrepot.platform.storage.s3.calls import Call, Calls
from entrepot.platform.storage.s3.driver import BucketStorage
from support.processes import free_port
from support.s3 import S3Server, served

KEYS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("s3://images", "https://images.s3.us-east-1.amazonaws.com/a%2Bb/c?X-Amz-"),
        ("s3://images?region=eu-west-1", "https://images.s3.eu-west-1.amazonaws.com/a%2Bb/c?X-Amz-"),
        ("s3://my.images?region=eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.images/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=http://store:9000", "http://store:9000/images/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=http://store.:0080", "http://store/images/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=https://Store.:0443&style=host", "https://images.store/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=http://[::1]:09000", "http://[::1]:9000/images/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=https://store:443&style=host", "https://images.store/a%2Bb/c?X-Amz-"),
        ("s3://images?endpoint=http://store&public_endpoint=https://for.all:8443", "https://for.all:8443/images/a%2Bb/c?X-Amz-"),
        ("s3://images?public_endpoint=https://for.all", "https://images.for.all/a%2Bb/c?X-Amz-"),
    ],
)
def test_addresses_are_those_of_the_setting(storage: str, expected: str) -> None:
    address = Calls(parse_bucket(storage), KEYS).address(Call("GET", "a+b/c"), 60)
    assert address.startswith(expected)
    assert "X-Amz-Expires=60&" in address


def test_a_store_that_is_away_is_waited_for_once_and_found_again() -> None:
    async def scenario(server: S3Server) -> None:
        storage = BucketStorage(server.new_bucket().place(), server.environment)
        await storage.prepare()
        server.kill()
        with pytest.raises(StorageAway):
            await storage.size("blobs/x")
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(StorageAway):
                await storage.size("blobs/x")
            with pytest.raises(StorageAway):
                storage.require_room(1)
        assert time.monotonic() - began < 1
        await asyncio.to_thread(server.start)
        deadline = time.monotonic() + 30
        while True:
            try:
                storage.require_room(1)
                break
            except StorageAway:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        assert await storage.size("blobs/x") is None
        await storage.close()

    with served() as server:
        asyncio.run(scenario(server))


def test_a_bucket_that_was_emptied_or_never_was_has_lost_nothing(s3: S3Server) -> None:
    async def scenario() -> None:
        for place in (s3.new_bucket().place(), parse_bucket(s3.new_bucket().url().replace("//blobs/", "//nowhere/"))):
            storage = BucketStorage(place, s3.environment)
            for attempt in (storage.size("blobs/x"), storage.require_presence(), anext(storage.read("blobs/x", 0, 0))):
                with pytest.raises(StorageAway):
                    await attempt
            await storage.close()

    asyncio.run(scenario())


def test_a_bucket_is_made_in_the_region_that_is_named(s3: S3Server) -> None:
    async def scenario() -> None:
        place = parse_bucket(f"s3://made-there/x?endpoint={s3.address}&create=true&region=eu-west-1")
        for _ in range(2):
            storage = BucketStorage(place, s3.environment)
            await storage.prepare()
            assert await storage.prepared()
            await storage.close()

    asyncio.run(scenario())


def test_who_does_not_answer_at_all_is_away() -> None:
    async def scenario() -> None:
        storage = BucketStorage(parse_bucket(f"s3://images?endpoint=http://127.0.0.1:{free_port()}"), KEYS)
        with pytest.raises(StorageAway):
            await storage.prepare()
        await storage.close()

    asyncio.run(scenario())
