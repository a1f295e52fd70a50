"""Stops one after another, each in the midst of traffic: all are prompt, and what was acknowledged stays."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest

from support.counts import examples
from support.http import Client
from support.instance import RUNNING, Instance
from support.pushers import Ledger, Pusher

STOPS: Final = examples(2, 40)
PUSHERS: Final = 2
KEPT: Final = 4  # connections that stay open, with nothing on them
STOP_LIMIT_S: Final = 5.0  # far below the 60 s after which the supervisor kills a worker


def stopped(instance: Instance) -> float:
    """Stop it as a service manager does; return how long that took."""
    RUNNING.discard(instance)
    begun = time.monotonic()
    instance._server.process.terminate()
    try:
        assert instance._server.process.wait(60) == 0
    finally:
        instance.kill()
    return time.monotonic() - begun


def pulling(client: Client, over: threading.Event) -> None:
    """Ask all the time, until the server is gone."""
    with suppress(OSError):
        while not over.is_set():
            client.get("/v2/")


@contextmanager
def traffic(instance: Instance, ledger: Ledger, number: int) -> Iterator[None]:
    """Push, pull and hold connections; the pushers see the server go and end by that."""
    kept = [instance.client() for _ in range(KEPT)]
    for client in kept:
        assert client.get("/v2/").status == 200
    over = threading.Event()
    threads = [threading.Thread(target=pulling, args=(instance.client(), over), daemon=True) for _ in range(PUSHERS)]
    pushers = [Pusher(instance.url, ledger, each, number * PUSHERS + each, trusts=instance.trusts) for each in range(PUSHERS)]
    for thread in (*threads, *pushers):
        thread.start()
    yield
    over.set()
    for thread in (*threads, *pushers):
        thread.join(30)
        assert not thread.is_alive(), "a client waits for ever"
    for pusher in pushers:
        if pusher.error is not None:
            raise pusher.error


@pytest.mark.parametrize("tls", ["", "self-signed"])
def test_stops_under_traffic_are_prompt_and_lose_nothing(serve: Callable[..., Instance], database_url: str, tls: str) -> None:
    instance = serve(workers=2, database=database_url, **({"tls": tls} if tls else {}))
    ledger = Ledger()
    for number in range(STOPS):
        with traffic(instance, ledger, number):
            time.sleep(random.uniform(0.1, 0.4))
            took = stopped(instance)
            assert took < STOP_LIMIT_S, f"stop {number} took {took:.1f} s"
        instance.restart()
    ledger.check(instance.client(), ledger.blobs, ledger.manifests)
