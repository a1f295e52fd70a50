"""What is drawn in the page itself: a digest as bars, and the mark of whoever has no picture. Both follow from the text alone."""

import hashlib
from typing import Final

import msgspec
from markupsafe import Markup

_BITS: Final = 48  # of a digest: two that are equal in them are not found by chance
_FIRST: Final = 4  # behind the two bars that every drawing begins with
_FRAME: Final = "M0 0h1v14H0zM2 0h1v14H2zM53 0h1v14h-1zM55 0h1v14h-1z"
_SHAPES: Final = (
    '<circle cx="20" cy="20" r="16.5"/>',
    '<path d="M4 13 20 3l16 10v23H4z"/>',
    '<path d="M4 5h32v15c0 8-6 13-16 17C10 33 4 28 4 20z"/>',
    '<path d="M20 3l15 8.5v17L20 37 5 28.5v-17z"/>',
)
_COLOURS: Final = 8


class Mark(msgspec.Struct, frozen=True):
    """The mark of a name: the number of its colour, its shape, and its letters."""

    colour: int
    shape: Markup
    letters: str


def bars(digest: str) -> str:
    """Return the path of the first 48 bits of a digest's hexadecimal part, in a box of 56 by 14."""
    bits = f"{int(digest.partition(':')[2][: _BITS // 4], 16):0{_BITS}b}"
    path, at = _FRAME, 0
    while at < _BITS:
        run = len(bits[at:]) - len(bits[at:].lstrip("1"))
        if run:
            path += f"M{_FIRST + at} 0h{run}v14h-{run}z"
        at += run or 1
    return path


def mark(name: str) -> Mark:
    """Return the mark of a user, an organisation or a repository."""
    seed = hashlib.sha256(name.encode()).digest()
    letters = "".join(each for each in name.rpartition("/")[2] if each.isalnum())[:2].upper()
    return Mark(seed[0] % _COLOURS + 1, Markup(_SHAPES[seed[1] % len(_SHAPES)]), letters)  # noqa: S704 - our own drawings
