"""The bucket of the servers that keep their blobs in one: what lies in it, and what is large in it deleted."""

import asyncio

from entrepot.platform.storage.s3.calls import Calls
from entrepot.platform.storage.s3.objects import Objects
from support.s3 import Bucket


def count(bucket: Bucket) -> int:
    """Return how many objects and multipart uploads there are."""
    return asyncio.run(_count(bucket))


def forget_large(bucket: Bucket, at_least_bytes: int) -> None:
    """Delete objects of that size, so that pushes of gigabytes do not add up on the disk."""
    asyncio.run(_forget_large(bucket, at_least_bytes))


async def _count(bucket: Bucket) -> int:
    calls = Calls(bucket.place(), bucket.environment)
    objects = Objects(calls)
    try:
        found = [each async for each in objects.listed("")]
        return len(found) + len([each async for each in objects.listed_uploads("")])
    finally:
        await calls.close()


async def _forget_large(bucket: Bucket, at_least_bytes: int) -> None:
    calls = Calls(bucket.place(), bucket.environment)
    objects = Objects(calls)
    try:
        for large in [each async for each in objects.listed("") if each.size >= at_least_bytes]:
            await objects.delete(large.key)
    finally:
        await calls.close()
