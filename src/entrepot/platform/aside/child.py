"""Running a module of ours in a child process: bytes in, bytes out, bounded in time."""

import asyncio
import sys
from typing import Final

from entrepot.base.errors import Unavailable

_TIMEOUT_S: Final = 20.0


async def run_aside(module: str, data: bytes) -> bytes:
    """Run `python -m module` with `data` on its standard input and return what it wrote.

    Raises:
        Unavailable: it failed or took longer than 20 seconds.
    """
    child = await asyncio.create_subprocess_exec(
        # -P: code that lies in the folder where we were started is none of ours.
        sys.executable,
        "-P",
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, _ = await child.communicate(data)
    except TimeoutError:
        raise Unavailable("a helper process") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise Unavailable("a helper process")
    return output
