"""A served Entrepot for tests: `python -m entrepot serve` on a free loopback port with its own data folder."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from support.certificates import served_serial
from support.http import Client
from support.processes import Server, free_port
from support.tools import PROJECT

RUNNING: "Final[set[Instance]]" = set()
_START_LIMIT_S: Final = 30.0
_STOP_LIMIT_S: Final = 90.0


class Instance:
    """Serves from construction until `stop` or `kill`; extra settings are keyword arguments (`gc_grace=60`).

    With `tls`, `trusts` is the file with the authority that its clients trust; `self-signed` makes its own. `unverified` serves a
    certificate that no client accepts. `environment` is that of a changed copy of the sources, if it is one that serves. Its log
    lies beside the data, or at `log`: not on a disk that a test fills or takes away.
    """

    address = "127.0.0.1"
    before: Sequence[str] = ()  # what stands before its command

    def __init__(
        self,
        data: Path,
        *,
        database: str = "",
        log: Path | None = None,
        trusts: Path | None = None,
        unverified: bool = False,
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.data = data
        self._unverified = unverified
        self.trusts = trusts or data / "tls" / "ca.crt"
        self.database = database
        self.environment = dict(environment or surroundings())
        self.settings = {"workers": 1, "log_level": "debug", "shutdown_delay": 0, **settings}
        self.log = log or data.with_name(f"{data.name}.log")
        self.port = 0
        self._start()

    @property
    def host(self) -> str:
        """Return the address as container tools name it, which makes them speak plain HTTP."""
        return f"{self.address.replace('127.0.0.1', 'localhost')}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address for an HTTP client."""
        return f"{'https' if self.settings.get('tls') else 'http'}://{self.address}:{self.port}"

    @property
    def pid(self) -> int:
        """Return the main process's number."""
        return self._server.process.pid

    def client(self) -> Client:
        """Return an HTTP client for this instance."""
        return Client(self.url, trusts=self.trusts)

    def stop(self, *, code: int | None = 0) -> None:
        """Ask it to end and check how it ended; `code=None` accepts any way."""
        RUNNING.discard(self)
        ended = self._server.stop(_STOP_LIMIT_S)
        assert code is None or ended == code, f"it ended with {ended}, expected {code}:\n{self.log_end()}"

    def kill(self) -> None:
        """End all its processes at once, as a loss of power would."""
        RUNNING.discard(self)
        self._server.kill()

    def kill_supervisor(self) -> None:
        """End the main process at once, and nothing else; what it had started is to notice."""
        RUNNING.discard(self)
        self._server.process.kill()
        self._server.process.wait()

    def restart(self) -> None:
        """Serve the same data again, on the same port, after `stop` or `kill`; a running one is stopped first."""
        if self in RUNNING:
            self.stop()
        self._start(self.port)

    def log_end(self, lines: int = 60) -> str:
        """Return the last lines of its log."""
        return self._server.log_end(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self in RUNNING:
            self.stop(code=0 if kind is None else None)

    def _start(self, port: int = 0) -> None:
        self.port = port or free_port()
        command = [*self.before, sys.executable, "-m", "entrepot", "serve"]
        command += ["--data", str(self.data), "--listen", f"{self.address}:{self.port}"]
        if self.database:
            command += ["--database", self.database]
        for name, value in self.settings.items():
            command += [f"--{name.replace('_', '-')}", str(value).lower() if isinstance(value, bool) else str(value)]
        self._server = Server(command, log=self.log, environment=self.environment)
        self._server.wait_until(self._is_ready, _START_LIMIT_S)
        RUNNING.add(self)

    def _is_ready(self) -> bool:
        try:
            if self._unverified:
                return bool(served_serial(self.port))
            return self.client().get("/readyz").status == 200
        except OSError:
            return False


def surroundings(**variables: str) -> dict[str, str]:
    """Return the environment for Entrepot itself: open access where a test does not say otherwise, and this project's sources."""
    return {**as_people_have(), "ENTREPOT_ACCESS": "open", **variables}


def as_people_have(**variables: str) -> dict[str, str]:
    """Return the environment in which Entrepot has its default settings: none of the caller's, and this project's sources."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
    return {**kept, "PYTHONPATH": str(PROJECT / "src"), "PYTHONUNBUFFERED": "1", **variables}
