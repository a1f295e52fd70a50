"""What the machine's service manager is told: that we serve, and that we are about to end (sd_notify(3), in a few lines)."""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
_VARIABLE: Final = "NOTIFY_SOCKET"
_LOOK_AGAIN_S: Final = 0.02
_LIMIT_S: Final = 1.0


class Supervision:
    """The way to whoever started us and wants to be told; without one nothing is sent."""

    def __init__(self) -> None:
        # Taken out, so that no process of ours speaks for the whole by mistake.
        self._socket = os.environ.pop(_VARIABLE, "")
        self._over = threading.Event()

    def ready_when_it_answers(self, address: str, port: int) -> None:
        """Tell that we serve as soon as the port takes connections: a web process listens once it has opened its database."""
        if self._socket:
            threading.Thread(target=self._wait, args=(address, port), name="readiness", daemon=True).start()

    def stopping(self) -> None:
        """Tell that we are about to end."""
        self._over.set()
        self._tell(STOPPING)

    def _wait(self, address: str, port: int) -> None:
        # Numbers only, so that nothing here takes a lock of the C library's which a process forked meanwhile would find held.
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        while not self._over.is_set():
            with socket.socket(family, socket.SOCK_STREAM) as attempt:
                attempt.settimeout(_LIMIT_S)
                if attempt.connect_ex((address, port)) == 0:
                    self._tell(READY)
                    return
            time.sleep(_LOOK_AGAIN_S)

    def _tell(self, state: str) -> None:
        if not self._socket:
            return
        name = f"\0{self._socket[1:]}" if self._socket.startswith("@") else self._socket
        # A manager that is not there any more is no reason not to serve.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
            way.sendto(state.encode(), name)
