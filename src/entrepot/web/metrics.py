"""`/metrics`: what Prometheus reads. Any worker answers for all of them."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec

from entrepot import __version__
from entrepot.platform.telemetry.exposition import MEDIA_TYPE, Family, Sample, exposition
from entrepot.web.shared.call import Answer, Call
from entrepot.web.shared.gate import MetricsGate
from entrepot.web.shared.meters import METRICS, Meters

_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))


class State(msgspec.Struct, frozen=True):
    """What is not counted but looked at when somebody asks; sizes in bytes, None where nothing can be told now."""

    open_uploads: int | None
    database_away_s: float | None  # since its last answer, when it was found away; else 0
    disk_free_bytes: int | None
    disk_size_bytes: int | None
    disk_min_free_bytes: int
    ballast_bytes: int | None
    certificate_ends_at: int | None  # Unix time in seconds
    read_only: int | None  # 1 while clients may change nothing, else 0


class Metrics:
    """Answers for all workers; `state` looks at what nobody counts."""

    def __init__(self, gate: MetricsGate, meters: Meters, state: Callable[[], Awaitable[State]]) -> None:
        self._gate = gate
        self.meters = meters
        self._state = state

    async def answer(self, call: Call) -> Answer:
        """Return the page.

        Raises:
            MetricsRefused
        """
        call.kind = METRICS
        self._gate.check(call)
        state = await self._state()
        body = exposition([*self.meters.families(), *_looked_at(state)])
        return Answer(200, [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(body))], body)


def _looked_at(state: State) -> Iterator[Family]:
    for name, help_, value in (
        ("entrepot_uploads_open", "Uploads that were begun and neither ended nor expired.", state.open_uploads),
        ("entrepot_database_away_seconds", "How long the database has not answered; 0 while it does.", state.database_away_s),
        ("entrepot_disk_free_bytes", "Room for this user on the data folder's file system.", state.disk_free_bytes),
        ("entrepot_disk_size_bytes", "Size of the data folder's file system.", state.disk_size_bytes),
        ("entrepot_certificate_expires_timestamp_seconds", "When the TLS certificate runs out.", state.certificate_ends_at),
        ("entrepot_disk_min_free_bytes", "Under so many free bytes pushes are refused.", state.disk_min_free_bytes),
        ("entrepot_read_only", "1 while clients may change nothing: `entrepot mode`.", state.read_only),
        ("entrepot_disk_ballast_bytes", "Room held for deletions; 0 while it is given and pushes refused.", state.ballast_bytes),
    ):
        if value is not None:
            yield Family(name, "gauge", help_, [Sample(value)])
    about = {"version": __version__, "python": _PYTHON}
    yield Family("entrepot_build_info", "gauge", "What serves.", [Sample(1, about)])
