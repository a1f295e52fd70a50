"""Pushers that move tags at a steady pace and read each one back on another connection."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from bench.client import connected
from bench.failure import BenchmarkFailed
from bench.images import CONFIG, Repository, manifest_of

_MOVES_PER_S: Final = 50
_PUSHERS: Final = 5
# A server of several processes gives each connection to one of them, so several readers meet them all.
_READERS: Final = 4
_ENOUGH: Final = 0.8


class Pushers:
    """Moves tags from entering the context until leaving it; what was seen is known afterwards."""

    def __init__(self, port: int, repositories: list[Repository]) -> None:
        self.stale = 0
        self.moves_per_s = 0.0
        self._port = port
        self._repositories = repositories
        self._end = threading.Event()
        self._pool = ThreadPoolExecutor(_PUSHERS)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._working: list[Future[tuple[int, int]]] = [self._pool.submit(self._push, number) for number in range(_PUSHERS)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._pool.shutdown()
        done = [each.result() for each in self._working]
        self.stale = sum(stale for _, stale in done)
        self.moves_per_s = sum(moves for moves, _ in done) / (time.monotonic() - self._began)
        if error is None and self.moves_per_s < _ENOUGH * _MOVES_PER_S:
            raise BenchmarkFailed(f"only {self.moves_per_s:.1f} of {_MOVES_PER_S} tags a second could be moved")

    def _push(self, number: int) -> tuple[int, int]:
        """Move tags of this pusher's own repositories; return how many moves there were and how many reads were stale."""
        chosen = random.Random()
        own = self._repositories[number::_PUSHERS]
        moves = stale = 0
        with ExitStack() as stack:
            writer = stack.enter_context(connected(self._port))
            readers = [stack.enter_context(connected(self._port)) for _ in range(_READERS)]
            while not self._end.wait(max(0.0, self._began + moves * _PUSHERS / _MOVES_PER_S - time.monotonic())):
                repository = chosen.choice(own)
                tag = chosen.choice(list(repository.manifests))
                manifest = manifest_of(CONFIG, [repository.layer], f"moved {time.time_ns()}")
                writer.push_manifest(repository.name, tag, manifest)
                answer = chosen.choice(readers).manifest(repository.name, tag).expect(200)
                stale += answer.digest != manifest.digest
                moves += 1
        return moves, stale
