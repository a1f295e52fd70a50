"""Bytes on their way to a thread: a step there costs as much as hashing 64 KiB, so pieces are put together."""

from collections.abc import AsyncIterator
from typing import Final

_MOST_PIECES: Final = 1000  # one call of the kernel takes 1024


async def batches(chunks: AsyncIterator[bytes], size_bytes: int) -> AsyncIterator[list[bytes]]:
    """Put pieces together until they have so many bytes; they are not joined, which would copy them."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= size_bytes or len(held) == _MOST_PIECES:
            yield held
            held, size = [], 0
    if held:
        yield held
