"""The table that a run ends with: a row for each figure and each bar, with minimum, median and maximum over the rounds."""

from collections.abc import Iterable
from statistics import median
from typing import Final

import msgspec

from bench.book import Key

_PRECISE_BELOW: Final = 10
_ROUND_FROM: Final = 1000
_HEAD: Final = ("benchmark", "of", "figure", "minimum", "median", "maximum", "bar", "")


class Row(msgspec.Struct, frozen=True):
    """One line of the table; `bar` and `verdict` are empty for a figure that no bar judges by itself."""

    benchmark: str
    subject: str
    unit: str
    minimum: float | None
    median: float | None
    maximum: float | None
    bar: str = ""
    verdict: str = ""


def row_of(key: Key, values: list[float], bar: str = "", verdict: str = "") -> Row:
    """Sum the rounds up."""
    if not values:
        return Row(*key, None, None, None, bar, verdict)
    return Row(*key, min(values), median(values), max(values), bar, verdict)


def markdown(rows: Iterable[Row]) -> str:
    """Write the rows as a Markdown table; a benchmark's name stands in its first row only."""
    lines = [_line(_HEAD), _line(("---", "---", "---", "--:", "--:", "--:", "---", "---"))]
    before = ""
    for row in rows:
        name = "" if row.benchmark == before else row.benchmark
        before = row.benchmark
        verdict = f"**{row.verdict}**" if row.verdict in {"MISSED", "NOT MEASURED"} else row.verdict
        numbers = (_number(row.minimum), _number(row.median), _number(row.maximum))
        lines.append(_line((name, row.subject, row.unit, *numbers, row.bar, verdict)))
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= _ROUND_FROM:
        return f"{value:,.0f}"
    if value >= _PRECISE_BELOW or value == 0:
        return f"{value:.4g}"
    return f"{value:.3g}" if value >= 1 else f"{value:.3f}"
