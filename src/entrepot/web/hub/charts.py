"""Charts, drawn here: sums of days as a line over their axis."""

from collections.abc import Sequence
from typing import Final

import msgspec

_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 298.0, 15.0, 80.0
_TENS: Final = (1, 2, 5, 10)


class Chart(msgspec.Struct, frozen=True):
    """The paths of a line chart in a box of 300 by 96, and what its axis says at which height."""

    line: str
    area: str
    axis: list[tuple[str, int]]


def chart(values: Sequence[int]) -> Chart:
    """Return a line chart of values from the oldest on; its axis begins at zero."""
    top = _round(max([1, *values]))
    step = (_RIGHT - _LEFT) / max(1, len(values) - 1)
    points = [f"{_LEFT + place * step:.1f} {_height(value, top):.1f}" for place, value in enumerate(values)]
    line = "M" + "L".join(points)
    axis = [(f"{_height(value, top):.1f}", value) for value in sorted({0, top // 2, top})]
    return Chart(line, f"{line}L{_RIGHT} {_BOTTOM:.0f}L{_LEFT} {_BOTTOM:.0f}z", axis)


def _height(value: int, top: int) -> float:
    return _BOTTOM - value / top * (_BOTTOM - _TOP)


def _round(top: int) -> int:
    """Return the next number that is easily read: one, two or five and zeros."""
    power: int = 10 ** (len(str(top)) - 1)
    return next(each * power for each in _TENS if each * power >= top)
