"""An upload to ourselves by the address that clients use, to see what the proxy in front does with a large body."""

import http.client
import os
import select
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from entrepot.platform.http.proxies import Answer

SIZE: Final = 200_000_000
_PIECE: Final = 1 << 20
_TIMEOUT_S: Final = 120.0
_SEEN_WITHIN_S: Final = 3.0
_POLL_S: Final = 0.05
_MOST_BODY: Final = 1 << 20


class Outcome(msgspec.Struct, frozen=True):
    """How it went: `answer` is None when the connection broke; `streamed` tells whether bytes arrived while others were sent."""

    answer: Answer | None
    sent_bytes: int
    took_s: float
    streamed: bool = False
    reason: str = ""


class Probe:
    """Speaks with one address, a new connection for each request; follows no redirect. Blocking.

    `trusting` is the file of an authority that is trusted beside those of this machine, `token` what is shown to the registry.
    """

    def __init__(self, url: str, *, trusting: Path | None = None, token: str = "") -> None:
        self._url = urlsplit(url)
        self._trusting = trusting
        self._token = token

    def request(self, method: str, path: str) -> Outcome:
        """Send a request without a body."""
        return self._exchange(method, path, 0, lambda: True)

    def upload(self, path: str, arrived: Callable[[], bool]) -> Outcome:
        """Send 200 MB in one PATCH; half-way, wait until `arrived` says that some are in the store."""
        return self._exchange("PATCH", path, SIZE, arrived)

    def _exchange(self, method: str, path: str, size: int, arrived: Callable[[], bool]) -> Outcome:
        began = time.monotonic()
        sent, asked, streamed = 0, False, False
        connection = self._connect()
        try:
            connection.putrequest(method, path)
            connection.putheader("Content-Length", str(size))
            connection.putheader("Content-Type", "application/octet-stream")
            if self._token:
                connection.putheader("Authorization", f"Bearer {self._token}")
            connection.endheaders()
            piece = os.urandom(min(_PIECE, size))
            while sent < size and not _answered(connection):
                if not asked and sent >= size // 2:
                    asked, streamed = True, _comes_true(arrived)
                try:
                    connection.send(piece[: size - sent])
                except (BrokenPipeError, ConnectionResetError):
                    break  # it may have said why before it closed
                sent += len(piece[: size - sent])
            answer = _read(connection)
        except (OSError, http.client.HTTPException) as error:
            return Outcome(None, sent, time.monotonic() - began, streamed, f"{error}" or type(error).__name__)
        finally:
            connection.close()
        return Outcome(answer, sent, time.monotonic() - began, streamed)

    def _connect(self) -> http.client.HTTPConnection:
        host = self._url.netloc.rpartition("@")[2]
        if self._url.scheme == "https":
            context = ssl.create_default_context()
            if self._trusting is not None:
                context.load_verify_locations(self._trusting)
            return http.client.HTTPSConnection(host, timeout=_TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, timeout=_TIMEOUT_S)


def _answered(connection: http.client.HTTPConnection) -> bool:
    """Tell whether an answer came before the body's end; under TLS other things come as well, so there nobody can tell."""
    if isinstance(connection.sock, ssl.SSLSocket):
        return False
    return bool(select.select([connection.sock], [], [], 0)[0])


def _read(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read(_MOST_BODY))


def _comes_true(arrived: Callable[[], bool]) -> bool:
    end = time.monotonic() + _SEEN_WITHIN_S
    while time.monotonic() < end:
        if arrived():
            return True
        time.sleep(_POLL_S)
    return False
