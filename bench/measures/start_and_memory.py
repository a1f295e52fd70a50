"""The time from start to the first answered pull, and the memory that a server takes, idle and while it is pushed to."""

import os
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from bench.bars import MEMORY_IDLE, MEMORY_PUSHING, START
from bench.book import MEGABYTES, SECONDS, Book, Key
from bench.client import connected
from bench.fleet import LARGE_FILES_BYTES, Fleet
from bench.images import Payload, Repository
from bench.processes import pss_bytes
from bench.progress import say
from bench.scale import PUSHING_CLIENTS
from bench.servers import ENTREPOT, NGINX, ON_POSTGRES, OURS, REGISTRY, ZOT, Server

_EVERYONE: Final = (ENTREPOT, ON_POSTGRES, REGISTRY, NGINX, ZOT)
_REQUESTS: Final = 1000
_CONNECTIONS: Final = 8
_IDLE_S: Final = 1.0
_SAMPLE_S: Final = 0.1


def starts(fleet: Fleet, book: Book) -> None:
    """Start each server on the folder that holds all repositories and ask for a manifest until it is there."""
    repository = fleet.repositories[0]
    path = f"/v2/{repository.name}/manifests/{next(iter(repository.manifests))}"
    for server in fleet.rounds(fleet.with_images(*_EVERYONE)):
        server.stop()
        seconds = server.start(path)
        book.add(Key(START, server.name, SECONDS), seconds)
        say(f"{START}: {server.name}: {seconds:.2f} s")


def idle(fleet: Fleet, book: Book) -> None:
    """Start anew, answer 1,000 manifests on several connections, and look a moment later."""
    for server in fleet.rounds(fleet.with_images(*_EVERYONE)):
        server.stop()
        server.start()
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            pulls = [pool.submit(_pull, server, fleet.repositories) for _ in range(_CONNECTIONS)]
        _raise_failures(pulls)
        time.sleep(_IDLE_S)
        megabytes = pss_bytes(server.pid) / 1e6
        book.add(Key(MEMORY_IDLE, server.name, MEGABYTES), megabytes)
        say(f"{MEMORY_IDLE}: {server.name}: {megabytes:.0f} MB")


def pushing(fleet: Fleet, book: Book) -> None:
    """Take the most memory seen while several clients push a large blob each; once, for it writes 8 GiB to each server."""
    for server in fleet.running(*OURS):
        server.stop()
        server.start()
        blobs = [fleet.large_file.payload() for _ in range(PUSHING_CLIENTS)]
        os.sync()
        began = time.monotonic()
        with _Sampler(server.pid) as sampler, ThreadPoolExecutor(PUSHING_CLIENTS) as pool:
            pushes = [pool.submit(_push, server, blob) for blob in blobs]
        seconds = time.monotonic() - began
        server.forget_large_files(LARGE_FILES_BYTES)
        _raise_failures(pushes)
        book.add(Key(MEMORY_PUSHING, server.name, MEGABYTES), sampler.most_bytes / 1e6)
        book.add(Key(MEMORY_PUSHING, server.name, SECONDS), seconds)
        say(f"{MEMORY_PUSHING}: {server.name}: {sampler.most_bytes / 1e6:.0f} MB, {seconds:.0f} s")


def _pull(server: Server, repositories: list[Repository]) -> None:
    with connected(server.port) as client:
        for _ in range(_REQUESTS // _CONNECTIONS):
            repository = random.choice(repositories)
            client.manifest(repository.name, random.choice(list(repository.manifests))).expect(200)


def _push(server: Server, blob: Payload) -> None:
    with connected(server.port) as client:
        client.stream_blob("bench/memory", blob)


def _raise_failures(done: list[Future[None]]) -> None:
    for each in done:
        each.result()


class _Sampler:
    """Looks at a server's memory ten times a second and keeps the most."""

    def __init__(self, pid: int) -> None:
        self.most_bytes = 0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._end.wait(_SAMPLE_S):
            self.most_bytes = max(self.most_bytes, pss_bytes(self._pid))
