"""A line between a program and a server on loopback that a test can cut: what is cut says nothing, as a network that is down."""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 1 << 16


class Line:
    """Passes bytes to a port of this machine, from a port of its own, in a thread of its own, until the end of its block."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._forgotten = 0  # of the connections, the first so many
        self._number = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self.port = 0

    def cut(self) -> None:
        """Let nothing pass from now on; new connections are accepted and lead nowhere."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def forget(self) -> None:
        """Swallow what comes on the connections of now, without a word, as a firewall does that forgot them; new ones pass."""
        self._loop.call_soon_threadsafe(lambda: setattr(self, "_forgotten", self._number))

    def mend(self) -> None:
        """Let everything pass again, also what was sent meanwhile."""
        self._loop.call_soon_threadsafe(self._passes.set)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._connect, "127.0.0.1", 0), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # what is aborted is closed by the loop's next turns

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._number += 1
        number = self._number
        await self._passes.wait()
        with suppress(OSError):
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._to)
            self._writers.append(other_writer)
            await asyncio.gather(self._pass_on(number, reader, other_writer), self._pass_on(number, other_reader, writer))
        writer.close()

    async def _pass_on(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._passes.wait()
                if number <= self._forgotten:
                    continue
                writer.write(piece)
                await writer.drain()
        writer.close()
