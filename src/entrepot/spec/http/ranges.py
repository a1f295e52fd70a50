"""Byte ranges of a request: RFC 9110, section 14."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError

# More is a sign of an attack (RFC 9110, 17.15): the whole is sent instead. For a layer of many files podman asks for this many.
MAX_RANGES: Final = 1024
_SPEC: Final = re.compile(r"([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


class ByteRange(msgspec.Struct, frozen=True):
    """Offsets of the first and last byte, both inclusive and inside the representation."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Bytes in the range."""
        return self.last - self.first + 1


class RangeNotSatisfiable(EntrepotError):
    """No part of any requested range lies inside the representation: answer 416 (RFC 9110, 15.5.17)."""

    summary = "no byte of the range '{range}' is in an object of {size} bytes"

    def __init__(self, range_: str, size: int) -> None:
        super().__init__(range=range_, size=size)
        self.size = size


def parse_ranges(header: str, size: int) -> list[ByteRange] | None:
    """Read a Range header for a representation of `size` bytes; None means: send the whole.

    A header that is malformed, of another unit, or asks for too many or overlapping parts is ignored, as section 14.2 allows.

    Raises:
        RangeNotSatisfiable: nothing of what is asked for can be had, or the only range ends before it begins.
    """
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes" or specs.count(",") >= MAX_RANGES:
        return None
    found: list[ByteRange] = []
    for match in [_SPEC.fullmatch(part.strip(" \t")) for part in specs.split(",")]:
        if match is None or not (match[1] or match[2]):
            return None
        part = _inside(match[1], match[2], size)
        if part is not None:
            found.append(part)
    if not found:
        raise RangeNotSatisfiable(header, size)
    return None if _overlap(found) else found


def neighbours(ranges: list[ByteRange], span: int) -> Iterator[list[ByteRange]]:
    """Yield the ranges in their order, those together that rise one after the other within `span` bytes."""
    group: list[ByteRange] = []
    for part in ranges:
        if group and (part.first <= group[-1].last or part.last - group[0].first >= span):
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _inside(first: str, last: str, size: int) -> ByteRange | None:
    """Cut one range to the representation, or None when it lies outside; without `first`, `last` counts from the end."""
    if not first:
        suffix = min(int(last), size)
        return ByteRange(size - suffix, size - 1) if suffix else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return ByteRange(start, end) if start <= end else None


def _overlap(ranges: list[ByteRange]) -> bool:
    ordered = sorted(ranges, key=lambda part: part.first)
    return any(after.first <= before.last for before, after in pairwise(ordered))
