"""Reading objects: what breaks off on its way is gone on with, because what lies under a key never changes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import aiohttp

from entrepot.platform.storage.driver import ObjectLost, StorageUnavailable
from entrepot.platform.storage.s3.answers import Answer, error_code, trouble
from entrepot.platform.storage.s3.calls import LOST, Call
from entrepot.platform.storage.s3.objects import Objects

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.2
_OK: Final = 200
_PARTIAL: Final = 206
_MISSING: Final = 404
_BEHIND_THE_END: Final = 416
_SERVER_ERROR: Final = 500
_LONGEST_ERROR: Final = 64 << 10


class _BrokeOff(Exception):
    """The answer ended before its bytes did, or never came: what is missing can be asked for again."""


async def read(objects: Objects, key: str, first: int, last: int, *, to_the_end: bool = False) -> AsyncGenerator[bytes, None]:
    """Yield the object's bytes from `first` to `last`, both inclusive; with `to_the_end` it may end before.

    Raises:
        ObjectLost, StorageUnavailable
    """
    place, vain = first, 0
    while place <= last:
        began = place
        try:
            async with aclosing(_answer(objects, key, place, last)) as answer:
                async for piece in answer:
                    place += len(piece)
                    yield piece
            if to_the_end:
                return
            reason: Exception | None = None
        except _BrokeOff as error:
            reason = error.__cause__ or error  # type: ignore[assignment]  # what causes it is no exit
        if place > last:
            return
        vain = 0 if place > began else vain + 1
        if vain == _ATTEMPTS:
            raise StorageUnavailable("storage") from reason  # or the object is too short: never end as if that were all
        await asyncio.sleep(_PAUSE_S)


async def _answer(objects: Objects, key: str, first: int, last: int) -> AsyncGenerator[bytes, None]:
    """Ask once, and yield what comes."""
    call = Call("GET", objects.whole(key), headers={"range": f"bytes={first}-{last}"})
    try:
        async with objects.calls.stream(call) as response:
            if response.status == _BEHIND_THE_END:
                return
            if response.status not in (_OK, _PARTIAL):
                await _refused(objects, key, response)
            # A page of something in between is not taken for the blob.
            if response.status == _OK or not response.headers.get("content-range", "").startswith(f"bytes {first}-"):
                raise _BrokeOff(f"{response.status} to a range, with another or none")
            rest = last + 1 - first
            async for piece in response.content.iter_any():
                some = piece[:rest]
                rest -= len(some)
                if some:
                    yield some
    except LOST as error:
        raise _BrokeOff from error


async def _refused(objects: Objects, key: str, response: aiohttp.ClientResponse) -> None:
    """Raise what an answer without the bytes means."""
    code = error_code(await response.content.read(_LONGEST_ERROR))
    if response.status >= _SERVER_ERROR or code == "RequestTimeTooSkewed":  # its answer has told us its time
        raise _BrokeOff(f"the store answered {response.status} {code}")
    if response.status == _MISSING and code != "NoSuchBucket":
        await objects.require_mark()
        raise ObjectLost(key=key)
    raise trouble(Answer(response.status, {}, b"", code))
