"""What is counted about requests, all workers together: by kind of address, method and class of status, never by a name.

A repository's, tag's or user's name in a label would let anyone make endless series, and tell them to whoever reads metrics.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from entrepot.base.errors import Unavailable
from entrepot.platform.db.database import DatabaseUnavailable
from entrepot.platform.telemetry.exposition import Family, Sample, histogram
from entrepot.platform.telemetry.shared import SharedCounters
from entrepot.web.shared.call import Call
from entrepot.web.shared.transfers import Transfers

OTHER, BASE, MANIFESTS, BLOBS, UPLOADS, TAGS, REFERRERS, CATALOGUE, HEALTH, METRICS, API, PAGES = range(12)
KINDS: Final = (
    *("other", "base", "manifests", "blobs", "uploads", "tags", "referrers", "catalogue", "health", "metrics", "api", "pages"),
)
INCOMING, OUTGOING = range(2)
DATABASE, STORAGE, MISTAKE, LIMITS = range(4)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other")
_METHOD_NUMBERS: Final = {method: number for number, method in enumerate(_METHODS)}
_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_BROKEN_OFF: Final = 500
_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BUCKETS: Final = len(_BOUNDS_S) + 1
# Where each group of numbers begins in a row.
_FOR_METHOD: Final = len(_CLASSES)
_FOR_KIND: Final = _FOR_METHOD * len(_METHODS)
_DURATIONS: Final = _FOR_KIND * len(KINDS)
_MICROSECONDS: Final = _DURATIONS + _BUCKETS * len(KINDS)
_RECEIVED: Final = _MICROSECONDS + len(KINDS)
_SENT: Final = _RECEIVED + len(KINDS)
_TRANSFERS: Final = _SENT + len(KINDS)
_FAILURES: Final = _TRANSFERS + 2
_WIDTH: Final = _FAILURES + 4


class Meters:
    """The numbers of all workers; made in the supervisor, and each worker says `begin` once."""

    def __init__(self, workers: int, bodies_per_address: int) -> None:
        self.transfers = Transfers(workers, bodies_per_address)
        # A worker that is told to end still counts while the one that replaces it has begun to.
        self._shared = SharedCounters(_WIDTH, workers * 2)
        self.claims = SharedCounters(1, workers * 2)  # bytes that are awaited: platform/disk/room.py counts them

    def begin(self) -> None:
        """Count in this process from now on."""
        self.transfers.begin()
        self._row = self._shared.own()
        # What its last owner was busy with when it died is over.
        self._row[_TRANSFERS] = self._row[_TRANSFERS + 1] = 0

    def transfer(self, direction: int, change: int) -> None:
        """Note that a transfer began (1) or ended (-1)."""
        self._row[_TRANSFERS + direction] += change

    def failed(self, what: int) -> None:
        """Note that the database or the storage did not answer, or a mistake of ours."""
        self._row[_FAILURES + what] += 1

    def count(self, call: Call, status: int, took_s: float) -> None:
        """Note a request that has ended; a status of 0 is an answer that broke off before it was whole."""
        row, kind = self._row, call.kind
        method = _METHOD_NUMBERS.get(call.method, 6)
        row[kind * _FOR_KIND + method * _FOR_METHOD + (status or _BROKEN_OFF) // 100 - 1] += 1
        row[_DURATIONS + kind * _BUCKETS + bisect_left(_BOUNDS_S, took_s)] += 1
        row[_MICROSECONDS + kind] += int(took_s * 1_000_000)
        if call.received_bytes:
            row[_RECEIVED + kind] += call.received_bytes
        if call.sent_bytes:
            row[_SENT + kind] += call.sent_bytes
        if call.failure is not None:
            self._fail(call.failure)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, DatabaseUnavailable):
            self.failed(DATABASE)
        else:
            self.failed(STORAGE if isinstance(error, Unavailable) else MISTAKE)

    def families(self) -> Iterator[Family]:
        """Give what all workers counted so far, for the page of metrics."""
        sums = self._shared.sums()
        yield Family("entrepot_requests_total", "counter", "Requests that have ended.", list(_requests(sums)))
        yield Family("entrepot_request_seconds", "histogram", "From a request's head to its answer's end.", _durations(sums))
        for name, start, help_ in (
            ("received", _RECEIVED, "Bytes of bodies that came in, counted when their request ends."),
            ("sent", _SENT, "Bytes of bodies that went out, counted when their request ends."),
        ):
            samples = [Sample(sums[start + number], {"route": kind}) for number, kind in enumerate(KINDS)]
            yield Family(f"entrepot_{name}_bytes_total", "counter", help_, samples)
        running = [Sample(sums[_TRANSFERS + n], {"direction": name}) for n, name in enumerate(("in", "out"))]
        yield Family("entrepot_transfers_running", "gauge", "Requests that write, and answers sent in pieces.", running)
        failures = [
            Sample(sums[_FAILURES + n], {"of": name}) for n, name in enumerate(("database", "storage", "entrepot", "limits"))
        ]
        yield Family(
            "entrepot_failures_total",
            "counter",
            "Requests failed by what we stand on, or a mistake; pulls that could not be counted.",
            failures,
        )


def _requests(sums: list[int]) -> Iterator[Sample]:
    for kind_number, kind in enumerate(KINDS):
        for method_number, method in enumerate(_METHODS):
            start = kind_number * _FOR_KIND + method_number * _FOR_METHOD
            for class_number, class_ in enumerate(_CLASSES):
                if sums[start + class_number]:  # most of the table can never be
                    yield Sample(sums[start + class_number], {"route": kind, "method": method, "status": class_})


def _durations(sums: list[int]) -> list[Sample]:
    samples: list[Sample] = []
    bounds = [str(bound) for bound in _BOUNDS_S]
    for number, kind in enumerate(KINDS):
        start = _DURATIONS + number * _BUCKETS
        total_s = sums[_MICROSECONDS + number] / 1_000_000
        samples += histogram({"route": kind}, bounds, sums[start : start + _BUCKETS], total_s)
    return samples
