"""The connections of one worker, when there are almost too many: those on which nothing runs make room for others.

The server itself closes a connection that is idle, or whose request does not come, after half a minute. Until then whoever
opens many of them would keep everyone else waiting, so when a worker is nearly full the addresses that have most give some up.
Where that is not enough, they also give up those whose answer nobody takes. Any other request that runs goes on.
"""

import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from entrepot.base.addresses import Peer, network_of, peer_of

_log: Final = logging.getLogger(__name__)
_EVERY_S: Final = 1.0
_LOOKED_AT_ONCE: Final = 100
_BREATH_S: Final = 0.001
_FOLDER: Final = "/proc/self/fd"
_STALLED_S: Final = 10.0  # an answer of which nothing was taken for so long


class Running(Protocol):
    """A request that runs; `sending_since` is the monotonic time since which its answer waits for the client, else 0."""

    sending_since: float


class Connections:
    """Looked after by a thread of the worker; `running` is what runs on them, by address and port."""

    def __init__(self, most: int, port: int) -> None:
        self._kept = max(1, most // 2)
        self._crowded = max(1, most * 3 // 4)
        self._port = port
        self.running: Mapping[Peer, Running] = {}

    def watch(self) -> None:
        """Begin to look after them."""
        threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            try:
                # Every connection is an open file: where there are few of those, nothing needs to be looked at.
                if len(os.listdir(_FOLDER)) > self._crowded:  # noqa: PTH208 - a thousand paths would be made for nothing
                    self.thin_out()
            except OSError as error:
                _log.warning("connections_not_counted", extra={"reason": error.strerror})

    def thin_out(self) -> None:
        """Close what is idle of the addresses that have most, until half of the places are free or nothing idle is left.

        If the worker is still crowded then, answers of theirs that nobody takes are closed too.
        """
        found = self._all()
        having = Counter(network_of(peer[0]) for _, peer in found)
        if having.total() <= self._crowded:
            return
        share = self._share(having)
        left = having.copy()
        closed = self._close(found, left, share, stalled=False)
        if left.total() > self._crowded:
            closed += self._close(found, left, share, stalled=True)
        if closed:
            extra = {"closed": closed, "of": having.total(), "addresses": [name for name, _ in (having - left).most_common(3)]}
            _log.warning("connections_thinned_out", extra=extra)

    def _close(self, found: Iterable[tuple[int, Peer]], left: Counter[str], share: int, *, stalled: bool) -> int:
        """Close what is idle, or `stalled`, of networks that have more than their share left; return how many."""
        closed = 0
        for file, peer in found:
            network = network_of(peer[0])
            if left[network] > share and self._may_go(peer, stalled=stalled) and self._end(file, peer, stalled=stalled):
                left[network] -= 1
                closed += 1
        return closed

    def _may_go(self, peer: Peer, *, stalled: bool) -> bool:
        """Tell whether nothing runs for this client, or with `stalled` only an answer that it does not take."""
        running = self.running.get(peer)
        if running is None or not stalled:
            return running is None
        since = running.sending_since
        return since > 0 and time.monotonic() - since > _STALLED_S

    def _end(self, file: int, peer: Peer, *, stalled: bool) -> bool:
        """End a connection if the file is still that client's, and it may still go: much may have happened since the look."""
        with _opened(file) as connection:
            if connection is None or _peer(connection, self._port) != peer or not self._may_go(peer, stalled=stalled):
                return False
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return False
            return True

    def _share(self, having: Counter[str]) -> int:
        """Return how many connections each address may keep, so that all together leave half of the places free."""
        share = self._kept
        while share > 1 and sum(min(count, share) for count in having.values()) > self._kept:
            share = share * 3 // 4
        return share

    def _all(self) -> list[tuple[int, Peer]]:
        """Return the files that are connections of ours with their peers."""
        found = []
        for count, name in enumerate(os.listdir(_FOLDER)):  # noqa: PTH208 - see above
            if count % _LOOKED_AT_ONCE == 0:
                time.sleep(_BREATH_S)  # requests are answered meanwhile
            with _opened(int(name)) as connection:
                peer = connection and _peer(connection, self._port)
            if peer:
                found.append((int(name), peer))
        return found


@contextmanager
def _opened(file: int) -> Iterator[socket.socket | None]:
    """Give a copy of a file that is a socket.

    The file belongs to the server and may be closed, and its number given away, at any moment: the copy stays what it is.
    """
    try:
        copy = os.dup(file)
    except OSError:
        yield None
        return
    try:
        connection = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        yield None
        return
    with connection:
        yield connection


def _peer(connection: socket.socket, port: int) -> Peer | None:
    """Return the peer of a connection to our port, None for any other socket."""
    try:
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.getsockname()[1] != port:
            return None
        return peer_of(*connection.getpeername()[:2])
    except OSError:
        return None
