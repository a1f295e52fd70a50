"""Blob stores for tests: how each kind of driver is opened on a place, here and in a process of its own.

Run as a program it opens the driver as another process would and does one thing with it: `python -m support.stores KIND
PLACE append|hold HANDLE OFFSET HEX`. `hold` keeps the upload open until its standard input ends.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from entrepot.platform.storage.driver import StorageDriver
from entrepot.platform.storage.filesystem import FilesystemStorage
from entrepot.platform.storage.hashing import RunningHash, new_hash
from entrepot.spec.oci.digest import Digest
from support.tools import PROJECT


def _filesystem(place: str) -> FilesystemStorage:
    storage = FilesystemStorage(Path(place))
    storage.prepare()
    return storage


# Every kind of driver passes the same suite.
KINDS: Final[dict[str, Callable[[str], FilesystemStorage]]] = {"filesystem": _filesystem}


@contextmanager
def opened(kind: str, place: Path) -> Iterator[StorageDriver]:
    """Open a driver of this kind."""
    driver = KINDS[kind](str(place))
    yield driver
    driver.close()


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    """Yield these bytes as a request's body would come."""
    for piece in content:
        yield piece


async def append(
    driver: StorageDriver, handle: str, offset: int, chunks: AsyncIterator[bytes], hash_: RunningHash | None = None
) -> int:
    """Hold an upload for one append, as a request does, and return the new offset."""
    async with driver.hold(handle, offset) as held:
        return await held.append(offset, chunks, hash_ or new_hash("sha256"))


async def finish(driver: StorageDriver, handle: str, content: bytes) -> str:
    """Hold an upload that has these bytes, make it an object and return its key."""
    async with driver.hold(handle, len(content)) as held:
        return await held.finish(Digest.of(content), len(content))


def another_process(kind: str, place: Path, *words: str) -> "subprocess.Popen[str]":
    """Start a process of its own that opens the driver on the same place."""
    search = f"{PROJECT / 'src'}:{PROJECT / 'tests'}"
    return subprocess.Popen(
        [sys.executable, "-m", "support.stores", kind, str(place), *words],
        env={**os.environ, "PYTHONPATH": search},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def main(words: list[str]) -> None:
    """Do what the words say and print the new offset, or `holding` while it holds."""
    kind, place, what, handle, offset, content = words

    async def body() -> AsyncIterator[bytes]:
        yield bytes.fromhex(content)
        if what == "hold":
            # More than one batch, so that the driver has begun to write before it waits.
            yield bytes(2 << 20)
            yield bytes(2 << 20)
            print("holding", flush=True)  # noqa: T201 - the parent waits for this line
            await asyncio.to_thread(sys.stdin.read)

    with opened(kind, Path(place)) as driver:
        print(asyncio.run(append(driver, handle, int(offset), body())), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
