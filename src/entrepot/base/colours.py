"""Colours as numbers: how readable one is on another (WCAG 2.2, "contrast ratio"), and the family that an accent colour has."""

import re
from typing import Final, NamedTuple

_HEX: Final = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")
ENOUGH: Final = 4.5  # for text of any size
_WHITE: Final = (255, 255, 255)
_BLACK: Final = (0, 0, 0)
_PAPER: Final = (233, 235, 229)  # the darkest that text stands on in the light pages: what is readable here is so on white
_NIGHT: Final = (34, 39, 43)  # the lightest in the dark ones
_PANEL: Final = (25, 29, 32)
_STEPS: Final = 20
_LINEAR_TO: Final = 0.04045
Colour = tuple[int, int, int]


class Accent(NamedTuple):
    """What stands for the colour of all that can be clicked, each for light and dark pages."""

    plain: tuple[str, str]
    strong: tuple[str, str]
    soft: tuple[str, str]
    on: tuple[str, str]


class AccentUnreadable(ValueError):
    """The colour is none, or white text on it, and it as text on our pages, cannot be read by everybody."""


def accent(text: str) -> Accent:
    """Return the family of a colour written like #23479d. Raises AccentUnreadable."""
    light = _parsed(text)
    found = contrast(light, _PAPER)
    if found < ENOUGH:
        raise AccentUnreadable(f"its contrast with our paper is {found:.1f}, and {ENOUGH} is needed: choose a darker one")
    dark = _until_readable(light, _WHITE, _NIGHT)
    return Accent(
        (_written(light), _written(dark)),
        (_written(_mixed(light, _BLACK, 0.25)), _written(_mixed(dark, _WHITE, 0.4))),
        (_written(_softened(light, _WHITE)), _written(_softened(dark, _PANEL))),
        ("#ffffff", _written(_mixed(light, _BLACK, 0.85))),
    )


def contrast(one: Colour, other: Colour) -> float:
    """Return the ratio of their luminances, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _parsed(text: str) -> Colour:
    found = _HEX.fullmatch(text.lower())
    if found is None:
        raise AccentUnreadable("it has six digits and letters from a to f behind a #")
    red, green, blue = (int(each, 16) for each in found.groups())
    return red, green, blue


def _written(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _luminance(colour: Colour) -> float:
    parts = (each / 255 for each in colour)
    red, green, blue = (each / 12.92 if each <= _LINEAR_TO else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return a colour with a share of another one."""
    red, green, blue = (round(mine + (theirs - mine) * share) for mine, theirs in zip(one, other, strict=True))
    return red, green, blue


def _until_readable(colour: Colour, towards: Colour, ground: Colour) -> Colour:
    """Return the first step towards another colour that can be read on a ground, with some to spare."""
    for step in range(_STEPS):
        found = _mixed(colour, towards, step / _STEPS)
        if contrast(found, ground) >= ENOUGH + 1:
            return found
    return towards


def _softened(colour: Colour, ground: Colour) -> Colour:
    """Return the ground with as much of a colour in it as still lets that be read on it."""
    for share in (0.88, 0.92, 0.96):
        found = _mixed(colour, ground, share)
        if contrast(colour, found) >= ENOUGH:
            return found
    return ground
