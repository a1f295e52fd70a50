"""Reading a pushed manifest without holding up the requests of others.

An image's manifest has a few kilobytes and is read in well under a millisecond. One of megabytes takes long enough to be felt
by everyone, and only someone who wants that sends many: it is read in a child process, two at a time.
"""

import asyncio
from typing import Final

import msgspec

from entrepot.platform.aside import run_aside
from entrepot.spec.oci import manifest, read_aside
from entrepot.spec.oci.manifest import Manifest, ManifestInvalid

_INLINE_BYTES: Final = 16 << 10
_AT_ONCE: Final = 2
_turns: Final = asyncio.Semaphore(_AT_ONCE)


async def read_manifest(content_type: str, content: bytes, algorithm: str) -> Manifest:
    """Do `entrepot.spec.oci.manifest.parse`, in a child process when the manifest is large. Raises what that raises."""
    if len(content) <= _INLINE_BYTES:
        return manifest.parse(content_type, content, algorithm)
    request = read_aside.Request(content_type, algorithm, content)
    async with _turns:
        reply = await run_aside(read_aside.__name__, msgspec.msgpack.encode(request))
    read = msgspec.msgpack.decode(reply, type=read_aside.Reply)
    if read.manifest is None:
        raise ManifestInvalid(reason=read.refused)
    return msgspec.structs.replace(read.manifest, content=content)
