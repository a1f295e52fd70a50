"""The Content-Range of a chunk: distribution-spec 1.1, "Pushing a blob in chunks" (`<start>-<end>`, not RFC 9110's form)."""

import re
from typing import Final, Self

import msgspec

from entrepot.base.errors import EntrepotError

_CHUNK: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class ChunkRangeInvalid(EntrepotError):
    """The Content-Range header is not a chunk's range."""

    summary = "Content-Range '{content_range}' is not a chunk's range: use <first byte>-<last byte>, for example 0-1023"


class ChunkSizeInvalid(EntrepotError):
    """The range and the Content-Length of a chunk contradict each other."""

    summary = "the chunk's range {content_range} has {expected} bytes, but its Content-Length says {length}"


class Chunk(msgspec.Struct, frozen=True):
    """The place of a chunk in its blob: offsets of its first and last byte."""

    first: int
    last: int

    @classmethod
    def parse(cls, header: str, length: int | None) -> Self:
        """Read a Content-Range header; `length` is the request's Content-Length in bytes, None when it has none.

        Raises:
            ChunkRangeInvalid: not of the specification's form, or its end lies before its start.
            ChunkSizeInvalid: it does not have `length` bytes.
        """
        match = _CHUNK.fullmatch(header)
        if match is None or int(match[2]) < int(match[1]):
            raise ChunkRangeInvalid(content_range=header)
        chunk = cls(int(match[1]), int(match[2]))
        if length is not None and length != chunk.size:
            raise ChunkSizeInvalid(content_range=header, expected=chunk.size, length=length)
        return chunk

    @property
    def size(self) -> int:
        """Bytes that the chunk must have."""
        return self.last - self.first + 1
