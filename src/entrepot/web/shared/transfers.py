"""Which requests run just now, and how many of those that bring a body one address may have.

The counts lie in memory that the web processes share, one row for each, so that the limit is one for all of them. An address
is a place in that row, drawn by a hash which no client knows: two addresses meet in one place once in 4096 times.
"""

from typing import Final

from entrepot.base.addresses import Peer
from entrepot.base.errors import EntrepotError
from entrepot.platform.telemetry.shared import SharedCounters
from entrepot.web.shared.call import Call

_PLACES: Final = 4096


class TooManyBodies(EntrepotError):
    """The client's address is sending as many bodies as one may."""

    summary = (
        "{address} is sending {limit} requests with a body already, which is as many as one address may: wait until some have "
        "ended; the registry's administrator can allow more with --bodies-per-address"
    )


class Transfers:
    """The bodies of all workers; made in the supervisor, and each worker says `begin` once. `most` is 0 for no limit."""

    def __init__(self, workers: int, most: int) -> None:
        self._shared = SharedCounters(_PLACES, workers * 2)
        self._most = most
        self.running: dict[Peer, Call] = {}  # in this process: the last request of each address and port

    def begin(self) -> None:
        """Count in this process from now on."""
        self._row = self._shared.own()
        # The requests of a worker that died have died with it.
        self._row[:] = memoryview(bytes(self._row.nbytes)).cast("q")

    def take(self, call: Call) -> None:
        """Count the body that a request brings, if it does, until `let_go`.

        Raises:
            TooManyBodies
        """
        if not call.brings_body:
            return
        place = hash(call.client_network) % _PLACES
        if self._most and self._shared.sum(place) >= self._most:
            raise TooManyBodies(address=call.client_network, limit=self._most)
        self._row[place] += 1
        call.place = place

    def let_go(self, call: Call) -> None:
        """Forget the body; said once, when the request has ended."""
        if call.place >= 0:
            self._row[call.place] -= 1
