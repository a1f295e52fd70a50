"""Versions in tags, as text that sorts like them: databases order tags by it, byte by byte.

A tag begins with a version when it begins with figures, behind a `v` if there is one: `18`, `v1.2.3`, `2.0.0-rc.1`, `3.23-slim`.
Of two with the same figures, a release comes after its candidates (Semantic Versioning 2.0.0, section 11), and what is built in
another way (`-slim`) stands beside it.
"""

import re
from typing import Final

_VERSION: Final = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)(.*)", re.DOTALL)
_CANDIDATE: Final = re.compile(
    r"[.\-_+]?(?:alpha|beta|rc|pre|preview|dev|snapshot|nightly|canary|next|[ab](?=[0-9]))", re.IGNORECASE
)
_FIGURES: Final = re.compile(r"[0-9]+")
_MOST_PARTS: Final = 6
_LONGEST_PART: Final = 18
_END: Final = "!"  # before every letter and figure: 18 stands before 18.1
_LENGTHS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLAIN: Final = "s"  # 18.3 comes after 18.3-slim, and so first where the newest stands first
_RELEASED: Final = "r"
_EXPECTED: Final = "p"
MOVING: Final = ""  # of what has no version, as `latest`


def version_key(tag: str) -> str:
    """Return what sorts like the version that a tag begins with; `MOVING` for one without."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return MOVING
    parts = found[1].split(".")[:_MOST_PARTS]
    if any(len(part.lstrip("0")) > _LONGEST_PART for part in parts):
        return MOVING
    state = _PLAIN if not found[2] else _EXPECTED if _CANDIDATE.match(found[2]) else _RELEASED
    return "".join(map(_sorted_number, parts)) + _END + state + _FIGURES.sub(lambda each: _sorted_number(each[0]), found[2])


def is_candidate(tag: str) -> bool:
    """Tell whether a tag names what comes before a release."""
    found = _VERSION.fullmatch(tag)
    return found is not None and _CANDIDATE.match(found[2]) is not None


def figures(tag: str) -> tuple[int, ...]:
    """Return the numbers of the version that a tag begins with; none for one without."""
    found = _VERSION.fullmatch(tag)
    return tuple(int(each) for each in found[1].split(".")[:_MOST_PARTS]) if found else ()


def _sorted_number(text: str) -> str:
    figures_ = text.lstrip("0")[:_LONGEST_PART]
    return _LENGTHS[len(figures_)] + figures_
