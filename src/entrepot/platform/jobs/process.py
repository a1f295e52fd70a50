"""A process that works on jobs: from its start until a signal tells it to end."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from entrepot.platform.jobs.engine import Engine


class Lifetime(Protocol):
    """What must be open while jobs run."""

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""


async def work(lifetime: Lifetime, engine: Engine, *beside: Callable[[], Awaitable[None]]) -> None:
    """Work until SIGTERM or SIGINT. What blocks the event loop for long blocks the heartbeats of all jobs here.

    What is to run `beside` the jobs goes on until then.

    Raises:
        DatabaseUnavailable: it does not answer at the start.
    """
    _end_by(engine.stop)
    await lifetime.open()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(each)) for each in beside]
            await engine.run()
            for task in tasks:
                task.cancel()
    finally:
        await lifetime.close()


async def keep(lifetime: Lifetime, beside: Callable[[], Awaitable[None]]) -> None:
    """Do what runs beside jobs, without them, until SIGTERM or SIGINT. Raises DatabaseUnavailable."""
    ended = asyncio.Event()
    _end_by(ended.set)
    await lifetime.open()
    try:
        task = asyncio.create_task(_run(beside))
        waiting = asyncio.create_task(ended.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        for each in (task, waiting):
            each.cancel()
        ended_by = await asyncio.gather(task, waiting, return_exceptions=True)
        if isinstance(ended_by[0], Exception):
            raise ended_by[0]
    finally:
        await lifetime.close()


def _end_by(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal does no harm
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()
