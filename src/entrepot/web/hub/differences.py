"""What two images have in common and what not: configuration line by line, layers by their digest."""

import difflib
from collections.abc import Sequence

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
    found: list[Line] = []
    for what, first, first_end, second, second_end in difflib.SequenceMatcher(None, before, behind, autojunk=False).get_opcodes():
        if what == "equal":
            found += [Line(SAME, each) for each in before[first:first_end]]
            continue
        found += [Line(GONE, each) for each in before[first:first_end]]
        found += [Line(NEW, each) for each in behind[second:second_end]]
    return found


def _paired(before: Sequence[Layer], behind: Sequence[Layer]) -> list[LayerPair]:
    found: list[LayerPair] = []
    one, other = [each.digest for each in before], [each.digest for each in behind]
    for what, first, first_end, second, second_end in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        left, right = before[first:first_end], behind[second:second_end]
        for place in range(max(len(left), len(right))):
            a = left[place] if place < len(left) else None
            b = right[place] if place < len(right) else None
            shown = b or a
            found.append(LayerPair(shown.command if shown else "", a, b, what == "equal"))
    return found


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
