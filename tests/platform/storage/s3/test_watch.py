"""What the watch makes of a look: an absence is found out once for all, and a look that was lost is no proof of one."""

import asyncio

import pytest

from entrepot.platform.storage.s3.answers import BucketAway
from entrepot.platform.storage.s3.watch import Watch


async def lost() -> None:
    """Look on a way on which nothing comes back."""
    await asyncio.Event().wait()


def test_a_look_that_is_lost_tells_nothing_while_others_are_answered() -> None:
    async def scenario() -> None:
        watch = Watch(lost)
        looking = asyncio.create_task(watch.verdict())
        while not looking.done():
            watch.answered()
            await asyncio.sleep(0.1)
        await looking
        watch.require()
        await watch.end()

    asyncio.run(scenario())


def test_a_store_that_answers_nobody_is_away() -> None:
    async def scenario() -> None:
        watch = Watch(lost)
        watch.answered()
        with pytest.raises(BucketAway):
            await watch.verdict()
        with pytest.raises(BucketAway):
            watch.require()
        await watch.end()

    asyncio.run(scenario())
