"""Looks after the certificate while we serve: what was renewed in its files is taken once it is whole and valid."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.platform.tls.pairs import CertificateUnusable, Pair, shown
from entrepot.platform.tls.shared import SharedPair

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 10.0
_TRIED_AGAIN_S: Final = 600.0
WARNED_BEFORE: Final = timedelta(days=14)


def told_of(ends_at: datetime) -> str:
    """Say for /readyz until when the certificate is valid, with a warning when that is soon or past.

    It does not make a node unready: all nodes have the same certificate, and a balancer that took them all away would turn
    a warning into an outage.
    """
    left = ends_at - datetime.now(UTC)
    told = f"certificate valid until {shown(ends_at)}\n"
    if left > WARNED_BEFORE:
        return told
    return told + ("warning: the certificate has expired\n" if left <= timedelta() else "warning: the certificate ends soon\n")


class Keeper:
    """Keeps the certificate in force: `read` returns what lies in the files, `refusal` says '' when the server can use it.

    To be made before the workers are forked, which ask `newer`; `start` begins to look, in a thread of the supervisor.

    Raises:
        CertificateUnusable: there is nothing to begin with.
    """

    def __init__(self, read: Callable[[], Pair], refusal: Callable[[bytes], str], *, source: str) -> None:
        self._read = read
        self._refusal = refusal
        self._source = source
        self._shared = SharedPair()
        self._wanted = threading.Event()
        self._refused: tuple[str, str] | None = None  # what was refused last and why, so that it is told once
        self._unusable = (b"", 0.0)  # what the server refused last and when, so that it is not asked again and again
        self._current = read()
        if reason := refusal(self._current.pem):
            raise CertificateUnusable(file=source, reason=f"the server cannot use the certificate ({reason}): have it made anew")
        self._shared.put(self._current)
        self.newer = self._shared.newer

    @property
    def ends_at(self) -> datetime:
        """When the certificate in force runs out; known to every process."""
        return self._shared.ends_at

    def start(self) -> None:
        """Tell of a certificate that clients refuse, and begin to look for another one."""
        if wrong := self._current.wrong_time():
            # It is served all the same: a service that does not start at all would neither answer those who do not look at the
            # certificate nor notice that it was renewed.
            _log.error("certificate_invalid", extra={"certificate": self._source, "reason": wrong})
        threading.Thread(target=self._keep, name="keeper of the certificate", daemon=True).start()

    def look_now(self) -> None:
        """Look at once, and not in some seconds; also at what the server refused before."""
        self._unusable = (b"", 0.0)
        self._wanted.set()

    def _keep(self) -> None:
        while True:
            self._wanted.wait(_LOOK_EVERY_S)
            self._wanted.clear()
            try:
                self._look()
            except Exception:  # noqa: BLE001 - whatever it was, the thread goes on and the certificate in force stays
                _log.exception("certificate_not_looked_at", extra={"certificate": self._source})

    def _look(self) -> None:
        try:
            found = self._read()
        except EntrepotError as error:
            self._refuse("", str(error.facts.get("reason", error.message)))
            return
        if found.pem == self._current.pem:
            self._refused = None
            return
        serial = f"{found.chain[0].serial_number:x}"
        wrong = found.wrong_time()
        if wrong and not self._current.wrong_time():
            self._refuse(serial, wrong)
        elif self._was_refused(found.pem):
            return
        elif reason := self._refusal(found.pem):
            self._unusable = (found.pem, time.monotonic())
            self._refuse(serial, f"the server cannot use it ({reason})")
        else:
            self._take(found, serial)

    def _was_refused(self, pem: bytes) -> bool:
        """Tell whether the server refused this a short time ago: on a busy machine it may have been the trial that failed."""
        unusable, when = self._unusable
        return pem == unusable and time.monotonic() - when < _TRIED_AGAIN_S

    def _take(self, found: Pair, serial: str) -> None:
        self._shared.put(found)
        self._current, self._refused = found, None
        _log.info(
            "certificate_renewed", extra={"certificate": self._source, "serial": serial, "valid_until": shown(found.ends_at)}
        )

    def _refuse(self, serial: str, reason: str) -> None:
        if self._refused != (serial, reason):
            self._refused = (serial, reason)
            kept = shown(self._current.ends_at)
            extra = {"certificate": self._source, "reason": reason, "served_until": kept}
            _log.error("certificate_refused", extra=extra)
