"""A proxy before a bucket that fails in a chosen way at a chosen call: refuses, breaks off, answers 5xx, hangs, lies, dawdles.

A test counts the calls of an undisturbed run, then runs again for each of them and each way. What the store did before the
failure it has done: `LOST` is the answer that never came to a call that took effect.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from support.relay import Address, Asked, Broken, Passage, Relay

REFUSED: Final = "refused"
LOST: Final = "lost answer"
CUT: Final = "half an answer"
WRONG: Final = "wrong bytes"
ERROR: Final = "500"
SLOW_DOWN: Final = "503"
LATE: Final = "late"
HANGS: Final = "hangs"
WAYS: Final = (REFUSED, LOST, CUT, WRONG, ERROR, SLOW_DOWN, LATE, HANGS)
_LATE_S: Final = 0.5
_HANGS_AT_MOST_S: Final = 300.0
_ERRORS: Final = {
    ERROR: ("500 Internal Server Error", "InternalError", "We encountered an internal error. Please try again."),
    SLOW_DOWN: ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}
# The calls of S3 by method and the parameter that tells them apart; `*` is an object's path without any of them.
_OF_OBJECTS: Final = {
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("PUT", "*"): "PutObject",
    ("GET", "*"): "GetObject",
    ("HEAD", "*"): "HeadObject",
    ("DELETE", "*"): "DeleteObject",
}
_OF_BUCKETS: Final = {
    ("POST", "delete"): "DeleteObjects",
    ("GET", "uploads"): "ListMultipartUploads",
    ("GET", "versioning"): "GetBucketVersioning",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "*"): "ListObjects",
    ("HEAD", "*"): "HeadBucket",
    ("PUT", "*"): "CreateBucket",
}


@dataclass(slots=True)
class Fault:
    """What goes wrong at which calls: `matches` is asked for each, and says yes at most `times` times."""

    way: str
    matches: Callable[[str], bool]
    times: int = 1
    met: int = field(default=0, init=False)


class Faulty(Relay):
    """Stands before the store; without a fault it only writes down the name of each call."""

    def __init__(self, place: Address, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(address, port)
        self._place = place
        self._lock = threading.Lock()
        self._calls: list[str] = []
        self._fault: Fault | None = None

    @property
    def calls(self) -> list[str]:
        """Return the names of the calls since they were last forgotten."""
        with self._lock:
            return list(self._calls)

    def forget(self) -> None:
        """Forget the calls, and let everything go well again."""
        with self._lock:
            self._calls.clear()
            self._fault = None

    def fail(self, way: str, call: str | int | None = None, times: int = 1) -> Fault:
        """Fail at the calls of this name, at the call of this number from now on, or at all."""
        with self._lock:
            self._calls.clear()
        if isinstance(call, int):
            self._fault = Fault(way, lambda _: len(self._calls) > call, times)
        else:
            self._fault = Fault(way, lambda name: call in (None, name), times)
        return self._fault

    async def answer(self, asked: Asked) -> None:
        """Pass the call on, unless it is to fail."""
        way = self._way(operation(asked.method, asked.target))
        if way == REFUSED:
            asked.reset()
        elif way in _ERRORS:
            await asked.drain()
            status, code, message = _ERRORS[way]
            await asked.answer(status, _error(code, message), "application/xml")
        elif way == HANGS:
            await asyncio.sleep(_HANGS_AT_MOST_S)
        else:
            await self._pass(asked, way)

    async def _pass(self, asked: Asked, way: str) -> None:
        passage = Passage(asked)
        if way == LATE:
            await asyncio.sleep(_LATE_S)
        elif way == WRONG and asked.method == "PUT":
            passage.change_request = _first_byte_changed()
        elif way == WRONG:
            passage.change_answer = _first_byte_changed()
        passage.keep_answer = way == LOST
        passage.cut_answer = way == CUT
        try:
            await passage.run(self._place)
        except Broken:
            way = REFUSED
        if way in (REFUSED, LOST, CUT):
            asked.reset()

    def _way(self, name: str) -> str:
        with self._lock:
            self._calls.append(name)
            fault = self._fault
            if fault is None or fault.met >= fault.times or not fault.matches(name):
                return ""
            fault.met += 1
            return fault.way


def operation(method: str, target: str) -> str:
    """Return S3's name of a call."""
    parts = urlsplit(target)
    asked = parse_qs(parts.query, keep_blank_values=True)
    of_object = "/" in parts.path.strip("/")
    table = _OF_OBJECTS if of_object else _OF_BUCKETS
    for (verb, parameter), name in table.items():
        if verb == method and (parameter in asked or parameter == "*"):
            return name
    return f"{method} {parts.path}"


def _first_byte_changed() -> Callable[[bytes], bytes]:
    """Return what changes the first byte that comes by, and no other."""
    done = False

    def change(piece: bytes) -> bytes:
        nonlocal done
        if done or not piece:
            return piece
        done = True
        return bytes([piece[0] ^ 0x55]) + piece[1:]

    return change


def _error(code: str, message: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
