"""Blob stores for tests: how each kind of driver is opened on a place, here and in a process of its own.

A place is a folder, or for a bucket the setting that names it. What the store says of an upload is kept here by its handle, as
the upload's row keeps it.

Run as a program it opens the driver as another process would and does one thing with it: `python -m support.stores KIND
PLACE append|hold HANDLE OFFSET HEX`. `hold` keeps the upload open until its standard input ends.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from entrepot.base.bucket import parse_bucket
from entrepot.platform.storage.driver import HeldUpload, StorageDriver
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.platform.storage.hashing import RunningHash, new_hash
from entrepot.platform.storage.s3.driver import BucketStorage
from entrepot.spec.oci.digest import Digest
from support.tools import PROJECT

# Every kind of driver passes the same suite.
KINDS: Final[dict[str, Callable[[str], StorageDriver]]] = {
    "filesystem": lambda place: FilesystemStorage(Path(place)),
    "s3": lambda place: BucketStorage(parse_bucket(place)),
}
STATES: Final[dict[str, str | None]] = {}


@contextmanager
def opened(kind: str, place: str) -> Iterator[StorageDriver]:
    """Open a driver of this kind."""
    driver = KINDS[kind](place)
    asyncio.run(driver.prepare())
    yield driver
    asyncio.run(driver.close())


@asynccontextmanager
async def held(driver: StorageDriver, handle: str, size: int) -> AsyncIterator[HeldUpload]:
    """Hold an upload as whoever has read its row."""
    async with driver.hold(handle, size) as upload:
        upload.state = STATES.get(handle)
        yield upload


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    """Yield these bytes as a request's body would come."""
    for piece in content:
        yield piece


async def append(
    driver: StorageDriver, handle: str, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash | None = None
) -> int:
    """Hold an upload for one append, as a request does, and return the new offset."""
    async with held(driver, handle, offset) as upload:
        size = await upload.append(offset, chunks, hash_ or new_hash("sha256"))
        STATES[handle] = upload.state
        await upload.settle()
        return size


async def finish(driver: StorageDriver, handle: str, content: bytes) -> str:
    """Hold an upload that has these bytes, make it an object and return its key."""
    async with held(driver, handle, len(content)) as upload:
        return await upload.finish(Digest.of(content), len(content))


def another_process(kind: str, place: str, *words: str) -> "subprocess.Popen[str]":
    """Start a process of its own that opens the driver on the same place."""
    search = f"{PROJECT / 'src'}:{PROJECT / 'tests'}"
    return subprocess.Popen(
        [sys.executable, "-m", "support.stores", kind, place, *words],
        env={**os.environ, "PYTHONPATH": search},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main(words: list[str]) -> None:
    """Do what the words say and print the new offset and what the store says, or `holding` while it holds."""
    kind, place, what, handle, offset, content = words

    async def body() -> AsyncIterator[bytes]:
        yield bytes.fromhex(content)
        if what == "hold":
            # More than one batch, so that the driver has begun to write before it waits.
            yield bytes(2 << 20)
            yield bytes(2 << 20)
            print("holding", flush=True)  # noqa: T201 - the parent waits for this line
            await asyncio.to_thread(sys.stdin.read)

    with opened(kind, place) as driver:
        print(asyncio.run(append(driver, handle, int(offset), body())), STATES[handle], flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
