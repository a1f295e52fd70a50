"""Clients that speak with one web process each: the kernel gives a connection to one of them, and it stays there."""

import http.client
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from urllib3 import HTTPHeaderDict

from support.http import Answer, Body, Client
from support.instance import Instance
from support.processes import children

_LIMIT_S: Final = 60.0
_MOST_TRIES: Final = 200


class OfOne(Client):
    """A client whose requests all go over one connection; `process` is what the answering process calls itself."""

    def __init__(self, hub: Instance) -> None:
        super().__init__(hub.url)
        self._hub = hub
        self._connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=_LIMIT_S)
        self.process = self.get("/v2/").headers["X-Request-Id"].partition("-")[0]

    def request(self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        self._connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = self._connection.getresponse()
        return Answer(answer.status, HTTPHeaderDict(answer.getheaders()), answer.read())

    @property
    def pid(self) -> int:
        """Return the process that has the other end of the connection."""
        port = self._connection.sock.getsockname()[1]
        inode = _inode(self._hub.port, port)
        return next(pid for pid in children(self._hub.pid) if f"socket:[{inode}]" in _open_files(pid))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def one_for_each(hub: Instance, count: int) -> list[OfOne]:
    """Return a client for each of so many web processes."""
    found: dict[str, OfOne] = {}
    for _ in range(_MOST_TRIES):
        client = OfOne(hub)
        if client.process in found:
            client.close()
        found.setdefault(client.process, client)
        if len(found) == count:
            return list(found.values())
    raise AssertionError(f"only {len(found)} of {count} web processes take connections")


def _inode(here: int, there: int) -> str:
    """Return the number of the socket on port `here` that is connected with port `there`."""
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        words = line.split()
        ports = [int(words[place].partition(":")[2], 16) for place in (1, 2)]
        if ports == [here, there]:
            return words[9]
    raise AssertionError("there is no such connection")


def _open_files(pid: int) -> set[str]:
    found = set()
    for number in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.add(str(number.readlink()))
    return found
