"""Freezing a served instance, as a machine does that is paused, moved, or out of memory for a while."""

import contextlib
import os
import signal
from collections.abc import Iterator

from support.instance import Instance
from support.processes import descendants


@contextlib.contextmanager
def frozen(node: Instance) -> Iterator[None]:
    """Let no process of a node do anything until the block is left; the kernel keeps its connections."""
    pids = [node.pid, *descendants(node.pid)]
    _tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(pids, signal.SIGCONT)


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
