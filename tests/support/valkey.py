"""A throw-away Valkey on loopback: Debian 12 has Redis, which speaks the same."""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.processes import Server, accepts, free_port
from support.tools import program

_LIMIT_S: Final = 30.0


class Valkey:
    """Runs from construction until `remove`; nothing of it outlives it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="entrepot-valkey-"))
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """Return the setting."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, on the port that it had before, with nothing in it."""
        found = program("redis-server")
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._server = Server([str(found.path), *words], log=self._folder / "log", environment=found.surroundings())
        self._server.wait_until(lambda: accepts(self.port), _LIMIT_S)

    def kill(self) -> None:
        """End it at once."""
        self._server.kill()

    def remove(self) -> None:
        """End it and delete what it left."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()
