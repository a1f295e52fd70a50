"""The connections of one worker, when there are almost too many: those on which nothing runs make room for others.

The server itself closes a connection that is idle, or whose request does not come, after half a minute. Until then whoever
opens many of them would keep everyone else waiting, so when a worker is nearly full the addresses that have most give some up.
"""

import logging
import os
import socket
import threading
import time
from collections import Counter
from typing import Final

from entrepot.base.addresses import network_of

_log: Final = logging.getLogger(__name__)
_EVERY_S: Final = 1.0
_LOOKED_AT_ONCE: Final = 100
_BREATH_S: Final = 0.001
_FOLDER: Final = "/proc/self/fd"


class Connections:
    """Looked after by a thread of the worker; `busy` are those, by address and port, that have a body under way."""

    def __init__(self, most: int, port: int) -> None:
        self._kept = max(1, most // 2)
        self._crowded = max(1, most * 3 // 4)
        self._port = port
        self.busy: set[tuple[str, str]] = set()

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
        """Close what is idle of the addresses that have most, until half of the places are free or nothing idle is left."""
        having: Counter[str] = Counter()
        idle: list[tuple[str, int]] = []
        for file, peer in self._all():
            network = network_of(peer[0])
            having[network] += 1
            if peer not in self.busy:
                idle.append((network, file))
        if having.total() <= self._crowded:
            return
        share = self._share(having)
        closed: Counter[str] = Counter()
        for network, file in idle:
            if having[network] - closed[network] > share and _close(file, self._port, network):
                closed[network] += 1
        if closed:
            extra = {"closed": closed.total(), "of": having.total(), "addresses": [name for name, _ in closed.most_common(3)]}
            _log.warning("connections_thinned_out", extra=extra)

    def _share(self, having: Counter[str]) -> int:
        """Return how many connections each address may keep, so that all together leave half of the places free."""
        share = self._kept
        while share > 1 and sum(min(count, share) for count in having.values()) > self._kept:
            share = share * 3 // 4
        return share

    def _all(self) -> list[tuple[int, tuple[str, str]]]:
        """Return the files that are connections of ours with their peers."""
        found = []
        for count, name in enumerate(os.listdir(_FOLDER)):  # noqa: PTH208 - see above
            if count % _LOOKED_AT_ONCE == 0:
                time.sleep(_BREATH_S)  # requests are answered meanwhile
            with_peer = _look(int(name), self._port)
            if with_peer is not None:
                found.append((int(name), with_peer))
        return found


def _look(file: int, port: int, *, close: str = "") -> tuple[str, str] | None:
    """Return the peer of a file that is a connection to our port; with `close`, end it if the peer is of that network.

    The file belongs to the server and may be closed, and its number given away, at any moment: so a copy is looked at.
    """
    try:
        copy = os.dup(file)
    except OSError:
        return None
    try:
        connection = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None
    with connection:
        try:
            if connection.family not in (socket.AF_INET, socket.AF_INET6) or connection.getsockname()[1] != port:
                return None
            peer = connection.getpeername()
            if close and network_of(str(peer[0])) == close:
                connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return None
        return str(peer[0]), str(peer[1])


def _close(file: int, port: int, network: str) -> bool:
    return _look(file, port, close=network) is not None
