"""What two images have in common and what not: configuration line by line, layers by their digest."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

import msgspec

from entrepot.web.hub.contents import Configuration, Contents, Layer

SAME, GONE, NEW = " ", "-", "+"


class Line(msgspec.Struct, frozen=True):
    """A line of a configuration: `sign` is a space for both, minus for the first alone, plus for the second alone."""

    sign: str
    text: str


class LayerPair(msgspec.Struct, frozen=True):
    """Layers that stand at one place; one of them may be missing. Those that are the `same` have one digest."""

    command: str
    first: Layer | None
    second: Layer | None
    same: bool


class Differences(msgspec.Struct, frozen=True):
    """All that differs between two images."""

    lines: list[Line]
    layers: list[LayerPair]
    more_bytes: int

    @property
    def changed_lines(self) -> int:
        """How many lines of the configuration are in one of them alone."""
        return sum(each.sign != SAME for each in self.lines)

    @property
    def changed_layers(self) -> int:
        """How many layers are not the same."""
        return sum(not each.same for each in self.layers)


def differences(first: Contents, second: Contents) -> Differences:
    """Compare two images."""
    before, behind = _written(first.configuration), _written(second.configuration)
    layers = _paired([each for each in first.layers if each.digest], [each for each in second.layers if each.digest])
    return Differences(_lines(before, behind), layers, second.download_bytes - first.download_bytes)


def _lines(before: Sequence[str], behind: Sequence[str]) -> list[Line]:
    """Compare lines whose order says little, in a time that grows with their number alone; a new value follows the old one."""
    left, new = Counter(behind), Counter(before)
    added: dict[str, list[str]] = {}
    for each in behind:
        if new[each]:
            new[each] -= 1
        else:
            added.setdefault(each.partition("=")[0], []).append(each)
    found: list[Line] = []
    for each in before:
        if left[each]:
            left[each] -= 1
            found.append(Line(SAME, each))
            continue
        found.append(Line(GONE, each))
        found += [Line(NEW, other) for other in added.pop(each.partition("=")[0], ())]
    return found + [Line(NEW, each) for some in added.values() for each in some]


def _paired(before: Sequence[Layer], behind: Sequence[Layer]) -> list[LayerPair]:
    """Pair layers: those of one digest in their order, and what lies between them side by side; in the same bounds of time."""
    places: dict[str, list[int]] = {}
    for place, layer in enumerate(behind):
        places.setdefault(layer.digest, []).append(place)
    found: list[LayerPair] = []
    rest: list[Layer] = []
    at = 0
    for layer in before:
        same = places.get(layer.digest, [])
        index = bisect_left(same, at)
        if index == len(same):
            rest.append(layer)
            continue
        found += [_pair(one, other) for one, other in zip_longest(rest, behind[at : same[index]])]
        found.append(LayerPair(layer.command, layer, behind[same[index]], same=True))
        rest, at = [], same[index] + 1
    return found + [_pair(one, other) for one, other in zip_longest(rest, behind[at:])]


def _pair(one: Layer | None, other: Layer | None) -> LayerPair:
    shown = other or one
    return LayerPair(shown.command if shown else "", one, other, same=False)


def _written(of: Configuration | None) -> list[str]:
    if of is None:
        return []
    lines = [f"ENTRYPOINT {of.entry_point}"] if of.entry_point else []
    lines += [f"CMD {of.command}"] if of.command else []
    lines += [f"USER {of.user or '(none)'}", f"WORKDIR {of.folder or '/'}"]
    lines += [f"STOPSIGNAL {of.stop_signal}"] if of.stop_signal else []
    lines += [f"EXPOSE {each}" for each in of.ports] + [f"VOLUME {each}" for each in of.volumes]
    lines += [f"ENV {name}={value}" for name, value in of.environment]
    return lines + [f"LABEL {name}={value}" for name, value in of.labels]
