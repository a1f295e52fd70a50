"""What uploads hold in memory: bounded, whatever their clients do, and those who send go on all the same."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Final

import pytest

from entrepot.platform.storage.hashing import new_hash
from entrepot.platform.storage.s3.answers import BucketAway
from entrepot.platform.storage.s3.calls import Calls
from entrepot.platform.storage.s3.held import HeldParts
from entrepot.platform.storage.s3.memory import Memory
from entrepot.platform.storage.s3.objects import Objects
from entrepot.platform.storage.s3.reading import read
from entrepot.platform.storage.s3.state import read as read_state
from entrepot.spec.oci.digest import Digest
from support.s3 import S3Server

MIB: Final = 1 << 20
CONTENT: Final = random.Random(11).randbytes(12 * MIB)
LIMIT: Final = 8 * MIB
PART: Final = 5 * MIB


async def body(content: bytes, stalls_at: int, gate: asyncio.Event) -> AsyncIterator[bytes]:
    """Come as a client that stops in the middle until the gate opens."""
    for place in range(0, len(content), 65_536):
        if place >= stalls_at:
            await gate.wait()
        yield content[place : place + 65_536]


async def push(objects: Objects, content: bytes, stalls_at: int, gate: asyncio.Event) -> None:
    """Push in one request, settle it, and compare what lies there."""
    held = HeldParts(objects, f"{random.getrandbits(128):032x}", 0)
    hash_ = new_hash("sha256")
    assert await held.append(0, body(content, stalls_at, gate), hash_, last=True) == len(content)
    assert hash_.hexdigest() == Digest.of(content).hex
    key = await held.finish(Digest.of(content), len(content))
    await held.settle()
    await held.close()
    assert b"".join([piece async for piece in read(objects, key, 0, len(content) - 1)]) == content


async def watch(memory: Memory, highest: list[int]) -> None:
    while True:
        highest[0] = max(highest[0], memory.used)
        await asyncio.sleep(0.005)


def test_stalled_clients_hold_little_and_keep_nobody_from_pushing(s3: S3Server) -> None:
    async def scenario() -> None:
        calls = Calls(s3.new_bucket().place(), s3.environment)
        calls.memory = memory = Memory(LIMIT)
        objects, gate, highest = Objects(calls), asyncio.Event(), [0]
        watching = asyncio.create_task(watch(memory, highest))
        open_gate = asyncio.Event()
        open_gate.set()
        stalled = [asyncio.create_task(push(objects, CONTENT[:PART], PART - MIB, gate)) for _ in range(6)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(40):
            await asyncio.gather(*(push(objects, CONTENT, len(CONTENT), open_gate) for _ in range(3)))
            gate.set()
            await asyncio.gather(*stalled)
        watching.cancel()
        # One goes beyond the limit at a time, and one may read back what was written.
        assert LIMIT - MIB < highest[0] <= LIMIT + 2 * PART + MIB
        assert memory.used == 0
        assert [found async for found in objects.listed_uploads("blobs/")] == []
        assert len([found async for found in objects.listed("blobs/")]) == 9, "what was written meanwhile stayed"
        await calls.close()

    asyncio.run(scenario())


@pytest.mark.fast
def test_who_waits_to_read_back_is_told_that_the_store_is_away() -> None:
    def away() -> None:
        raise BucketAway("storage")

    async def scenario() -> None:
        memory = Memory(LIMIT)
        first, second = (memory.share(lambda: asyncio.sleep(0), require) for require in (lambda: None, away))
        async with memory.joining(first), asyncio.timeout(2):
            with pytest.raises(BucketAway):
                async with memory.joining(second):
                    pass
        async with memory.joining(second):
            pass

    asyncio.run(scenario())


def test_small_requests_do_not_read_and_write_again_what_came_before(s3: S3Server) -> None:
    async def scenario() -> None:
        calls = Calls(s3.new_bucket().place(), s3.environment)
        objects, memory, handle, gate = Objects(calls), calls.memory, f"{1:032x}", asyncio.Event()
        gate.set()
        state, sent, piece = None, [], 20_000
        for number in range(70):
            held = HeldParts(objects, handle, number * piece)
            held.state = state
            content = CONTENT[number * piece :][:piece]
            await held.append(number * piece, body(content, piece, gate), new_hash("sha256"))
            state = held.state
            await held.settle()
            await held.close()
            sent.append(len(read_state(state, 0).tails))
        assert max(sent) == 32
        assert sent.count(1) == 3, "they are joined at every 32nd"
        held = HeldParts(objects, handle, 70 * piece)
        held.state = state
        key = await held.finish(Digest.of(CONTENT[: 70 * piece]), 70 * piece)
        await held.settle()
        await held.close()
        assert b"".join([each async for each in read(objects, key, 0, 70 * piece - 1)]) == CONTENT[: 70 * piece]
        assert [found.key async for found in objects.listed("blobs/")] == [key]
        assert memory.used == 0
        await calls.close()

    asyncio.run(scenario())
