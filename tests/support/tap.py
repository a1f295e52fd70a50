"""A listener between a client and a server that passes bytes on, changed if wanted, and counts what is asked for and answered."""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

_PIECE_BYTES: Final = 1 << 16
_WAIT_S: Final = 30.0


class Tap:
    """Listens on loopback until the block is left; `host` is where clients go. What is answered can be `changed` on its way."""

    def __init__(self, port: int, changed: Callable[[bytes], bytes] = bytes) -> None:
        self._changed = changed
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sent = bytearray()
        self._received_bytes = 0
        self._threads: list[threading.Thread] = []

    @property
    def host(self) -> str:
        """Return the address as container tools name it."""
        return f"localhost:{self._listener.getsockname()[1]}"

    @property
    def ranges(self) -> list[int]:
        """Return for each request with a Range header how many ranges it asked for."""
        with self._lock:
            return [found.count(b",") + 1 for found in re.findall(rb"(?im)^range: (.*)$", self._sent)]

    def asked(self, path: str) -> list[str]:
        """Return the heads of the requests so far whose address begins so."""
        with self._lock:
            sent = self._sent.decode("latin-1")
        return [head for head in sent.split("\r\n\r\n") if head.partition(" ")[2].startswith(path)]

    @property
    def received_bytes(self) -> int:
        """Return how many bytes were answered so far, heads and bodies."""
        with self._lock:
            return self._received_bytes

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Closing a listener does not wake the thread that waits for it; shutting it down does.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(_WAIT_S)

    def _accept(self) -> None:
        # It ends when the listener is shut down.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._start(self._join, client)

    def _start(self, work: Callable[..., None], *words: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=words, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _join(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            asking = self._start(self._ask, client, server)
            self._answer(server, client)
            asking.join()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        for piece in _pieces(client, server):
            with self._lock:
                self._sent += piece

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        for piece in _pieces(server, client, self._changed):
            with self._lock:
                self._received_bytes += len(piece)


def _pieces(source: socket.socket, target: socket.socket, changed: Callable[[bytes], bytes] = bytes) -> Iterator[bytes]:
    """Pass on what comes, and yield it; the end of one side, however it comes, is the end of the other."""
    try:
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(changed(piece))
            yield piece
    except OSError:
        pass
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
