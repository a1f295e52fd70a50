"""Prometheus' text format, version 0.0.4.

Its own few lines, because the usual library takes a tenth of a second to import, which a web process does not have, and counts
for several processes by files that it maps, whose cost for each number is many times that of the numbers themselves.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

MEDIA_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(NamedTuple):
    """One number; `suffix` is what follows the family's name (`_bucket`)."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(NamedTuple):
    """The samples of one name; `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


def exposition(families: Iterable[Family]) -> bytes:
    """Return the page that Prometheus reads."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        for value, labels, suffix in family.samples:
            told = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items())
            lines.append(f"{family.name}{suffix}{{{told}}} {value}" if told else f"{family.name}{suffix} {value}")
    return ("\n".join(lines) + "\n").encode()


def histogram(labels: Mapping[str, str], bounds: Iterable[str], counts: list[int], total: float) -> list[Sample]:
    """Return the samples of one histogram: `counts` are those between the bounds, the last one above all of them."""
    samples, seen = [], 0
    for bound, count in zip([*bounds, "+Inf"], counts, strict=True):
        seen += count
        samples.append(Sample(seen, {**labels, "le": bound}, "_bucket"))
    return [*samples, Sample(total, labels, "_sum"), Sample(seen, labels, "_count")]
