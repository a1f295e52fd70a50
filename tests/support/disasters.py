"""Takes nodes down under their clients, again and again: killed, cut off from everything, or lost with their machine.

The clients go through a balancer and try again when something breaks. Whoever is at another node notices nothing.
"""

import random
import threading
import time
from collections import Counter
from typing import Final

from support import images
from support.http import Client
from support.nodes import Nodes, Remote
from support.pushers import GoneClient, Ledger, Pusher, pull, pull_every_tag

PUSHERS: Final = 4
_WAYS: Final = ("killed", "cut off", "lost")
_LONGEST_S: Final = 1.0
_CUT_S: Final = (0.5, 3.0)
_RECENT: Final = 20
_BACK_S: Final = 10.0  # a look that began in the cut waits for three seconds, and a packet that was lost in it is repeated late
_TRIES_S: Final = 60.0  # a lease of a node that is gone runs for ten seconds, an open transaction of its for ten more


class Puller(threading.Thread):
    """Pulls what was acknowledged, whole; what breaks is tried again, and only the truth counts as an answer."""

    def __init__(self, url: str, ledger: Ledger, seed: int) -> None:
        super().__init__(name="puller", daemon=True)
        self._client = GoneClient(url, limit_s=20)
        self._ledger = ledger
        self._chance = random.Random(seed)
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        """Pull until told to end."""
        try:
            while not self.stop.wait(0.01):
                with self._ledger.lock:
                    known = [("blobs", *each) for each in self._ledger.blobs]
                    known += [("manifests", *each) for each in self._ledger.manifests]
                if known:
                    self._pull(*self._chance.choice(known))
        except BaseException as error:  # noqa: BLE001 - shown by the test, which waits in another thread
            self.error = error

    def _pull(self, noun: str, repository: str, digest: str) -> None:
        end = time.monotonic() + _TRIES_S
        while True:
            try:
                pull(self._client, f"/v2/{repository}/{noun}/{digest}", digest)
            except OSError:
                self.done["again"] += 1
                assert time.monotonic() < end, f"{digest} cannot be pulled for {_TRIES_S} s"
            else:
                self.done["pulled"] += 1
                return


class Disasters:
    """Clients at work on nodes that have machines of their own, and what happens to these."""

    def __init__(self, nodes: Nodes) -> None:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")  # noqa: T201 - shown when the test fails
        self.done: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._nodes = nodes
        self._ledger = Ledger()

    def happen(self, count: int) -> None:
        """Let so many disasters happen; after each one, and at the end, all that was acknowledged is there."""
        pushers = [
            Pusher(self._nodes.url, self._ledger, number, self._chance.getrandbits(32), patient=True) for number in range(PUSHERS)
        ]
        puller = Puller(self._nodes.url, self._ledger, self._chance.getrandbits(32))
        threads: list[Pusher | Puller] = [*pushers, puller]
        for thread in threads:
            thread.start()
        try:
            for number in range(count):
                self._one(number)
                for thread in threads:
                    if thread.error is not None:
                        raise thread.error
        finally:
            for thread in threads:
                thread.stop.set()
        for thread in threads:
            thread.join(_TRIES_S)
            assert not thread.is_alive(), f"{thread.name} waits for ever"
            if thread.error is not None:
                raise thread.error
        self.done += puller.done
        self.done["pushed"] = len(self._ledger.manifests)
        self.done["resumed"] = self._ledger.resumed
        for node in self._nodes.nodes:
            self._ledger.check(node.client(), self._ledger.blobs, self._ledger.manifests)
        assert pull_every_tag(self._nodes.client()) > 0

    def _one(self, number: int) -> None:
        """Take a node down, work at the others, and bring it back."""
        time.sleep(self._chance.uniform(0, _LONGEST_S))
        way = _WAYS[number] if number < len(_WAYS) else self._chance.choice(_WAYS)
        node = self._chance.choice(self._nodes.nodes)
        assert isinstance(node, Remote)
        if way != "killed":
            node.machine.cut()
        if way != "cut off":
            node.kill()
        self.done[way] += 1
        for other in self._nodes.nodes:
            if other is not node:
                self._work_at(other.client(), number)
        if way == "cut off":
            time.sleep(self._chance.uniform(*_CUT_S))
            node.machine.mend()
            _wait_until_back(node)
            return
        if way == "lost":
            node.machine.renew()
        node.restart()

    def _work_at(self, client: Client, number: int) -> None:
        """Push and pull at a node that nothing happened to: nothing breaks, and nothing is tried twice."""
        image = images.simple_image(1_000 + number)
        images.push(client, "disasters/of-others", image, f"v{number}")
        found = client.get(f"/v2/disasters/of-others/manifests/v{number}")
        assert found.content == image.manifest.content
        with self._ledger.lock:
            known = sorted(self._ledger.blobs)
        for repository, digest in self._chance.sample(known, min(_RECENT, len(known))):
            pull(client, f"/v2/{repository}/blobs/{digest}", digest)


def _wait_until_back(node: Remote) -> None:
    """Wait until a node has noticed that its cable was mended: the next disaster may be the other's, and one must work."""
    end = time.monotonic() + _BACK_S
    while not node.client().get("/readyz").content.startswith(b"ready"):
        assert time.monotonic() < end, "a node does not come back after its cable was mended"
        time.sleep(0.05)
