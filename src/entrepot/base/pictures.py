"""What a picture's first bytes say: its format, and how wide and high it is. Pure; nothing is decoded.

Only formats without scripts and addresses are known: an SVG is a document that can do things.
"""

from typing import Final, NamedTuple

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_SIZED: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # frames of JPEG
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FILL: Final = 0xFF
_HEAD: Final = 30


class Picture(NamedTuple):
    """A media type, and a size in pixels."""

    media_type: str
    width: int
    height: int


class PictureUnknown(ValueError):
    """The bytes are no picture that is known."""


def sniffed(content: bytes) -> Picture:
    """Return what a PNG, JPEG or WebP says of itself. Raises PictureUnknown."""
    try:
        if content.startswith(_PNG) and content[12:16] == b"IHDR":
            return _sized("image/png", int.from_bytes(content[16:20]), int.from_bytes(content[20:24]), content)
        if content.startswith(_JPEG):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except IndexError:
        pass
    raise PictureUnknown("it is neither PNG, nor JPEG, nor WebP")


def _jpeg(content: bytes) -> Picture:
    place = 2
    while place + 9 <= len(content) and content[place] == _FILL:
        marker = content[place + 1]
        if marker == _FILL or marker in _ALONE:
            place += 1 if marker == _FILL else 2
            continue
        if marker in _SIZED:
            height, width = int.from_bytes(content[place + 5 : place + 7]), int.from_bytes(content[place + 7 : place + 9])
            return _sized("image/jpeg", width, height, content)
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    raise PictureUnknown("its JPEG does not say how large it is")


def _webp(content: bytes) -> Picture:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[place : place + 3], "little") + 1 for place in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(content[place : place + 2], "little") & 0x3FFF for place in (26, 28))
    else:
        raise PictureUnknown("its WebP does not say how large it is")
    return _sized("image/webp", width, height, content)


def _sized(media_type: str, width: int, height: int, content: bytes) -> Picture:
    if not width or not height or len(content) < _HEAD:
        raise PictureUnknown("it is broken: it has no size")
    return Picture(media_type, width, height)
