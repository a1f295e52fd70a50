"""Network namespaces that stand for machines: each is joined to this one by a cable that can be unplugged without a sound.

A cut loses every packet in both directions and tells nobody, as a dead switch does: both ends send to a card that is not there.
"""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from typing import Final

from support.tools import missing

_NOBODYS_CARD: Final = "02:00:00:00:00:01"
_PREFIX: Final = 30  # a network of two addresses


class Machine:
    """A namespace with one address; `here` is this machine's address on the cable, which the namespace reaches."""

    def __init__(self, number: int) -> None:
        # Other runs on the same machine make their own.
        self._name = f"entrepot-{os.getpid()}-{number}"
        self._cards = (f"ent{os.getpid() % 100_000}h{number}", f"ent{os.getpid() % 100_000}n{number}")
        chance = random.Random(f"{os.getpid()} {number}")
        # Of those that are for benchmarks of network devices (RFC 2544), so that no machine has them as its own network.
        base, last = f"198.{chance.randrange(18, 20)}.{chance.randrange(256)}", chance.randrange(64) * 4
        self.here, self.address = f"{base}.{last + 1}", f"{base}.{last + 2}"
        # While the cable is away, packets for the other end must not leave this machine by its own network.
        self._nowhere = ("blackhole", f"{base}.{last}/{_PREFIX}", "metric", "4000")
        _ip("route", "add", *self._nowhere)
        self._plug()

    @property
    def enter(self) -> list[str]:
        """Return the words that run a command in the namespace."""
        return ["nsenter", f"--net=/run/netns/{self._name}", "--"]

    def cut(self) -> None:
        """Lose every packet from now on."""
        here, there = self._cards
        _ip("neigh", "replace", self.address, "lladdr", _NOBODYS_CARD, "nud", "permanent", "dev", here)
        _ip("neigh", "replace", self.here, "lladdr", _NOBODYS_CARD, "nud", "permanent", "dev", there, inside=self._name)

    def mend(self) -> None:
        """Carry packets again."""
        here, there = self._cards
        _ip("neigh", "del", self.address, "dev", here)
        _ip("neigh", "del", self.here, "dev", there, inside=self._name)

    def renew(self) -> None:
        """Come up as a machine does that had lost its power: with the same address, and without any connection."""
        self._unplug()
        self._plug()

    def remove(self) -> None:
        """Take the namespace and its cable away."""
        self._unplug()
        _ip("route", "del", *self._nowhere)

    def _unplug(self) -> None:
        _ip("link", "del", self._cards[0])
        _ip("netns", "del", self._name)

    def _plug(self) -> None:
        here, there = self._cards
        _ip("netns", "add", self._name)
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self._name)
        _ip("addr", "add", f"{self.here}/{_PREFIX}", "dev", here)
        _ip("addr", "add", f"{self.address}/{_PREFIX}", "dev", there, inside=self._name)
        for card, inside in ((here, ""), (there, self._name), ("lo", self._name)):
            _ip("link", "set", card, "up", inside=inside)


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Make namespaces, or say what this machine lacks for them."""
    if os.geteuid() != 0:
        missing("only root can make network namespaces")
    made: list[Machine] = []
    try:
        for number in range(count):
            made.append(Machine(number))  # noqa: PERF401 - when the second cannot be made, the first is to be removed
        yield made
    finally:
        for machine in made:
            machine.remove()


def _ip(*words: str, inside: str = "") -> None:
    command = ["ip", *(["-n", inside] if inside else []), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
