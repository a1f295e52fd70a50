"""The record of what was installed: programs.json says where each program is, unavailable.json what could not be had and why.

roots.json says where the root file systems for containers are. Tests and benchmarks read these files and nothing else of this
package.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tools.testbed import debian, golang, roots
from tools.testbed.pins import Pins

_TRY_AGAIN_S: Final = 24 * 3600


@dataclass(slots=True)
class Inventory:
    """Where each program is, with the environment it needs, and which could not be had."""

    programs: dict[str, dict[str, Any]] = field(default_factory=dict)
    unavailable: dict[str, dict[str, Any]] = field(default_factory=dict)
    roots: dict[str, dict[str, Any]] = field(default_factory=dict)

    def refused(self, name: str, version: str, reason: str) -> None:
        """Note that the module proxy does not give a program."""
        self.unavailable[name] = {"version": version, "reason": reason, "at": int(time.time())}

    def refused_lately(self, name: str, version: str) -> bool:
        """Say whether this version was asked for in vain within the last day."""
        entry = self.unavailable.get(name, {})
        return entry.get("version") == version and time.time() - entry.get("at", 0) < _TRY_AGAIN_S

    def find(self, cache: Path, pins: Pins) -> list[str]:
        """Look where the programs of these pins are now; return the names of those that are missing without a reason."""
        lost = []
        environment = debian.environment(cache)
        root = debian.unpacked_root(cache)
        for package in pins.debian:
            for name in package.programs:
                path = debian.program(cache, package, name)
                self.programs.pop(name, None)
                if path is None:
                    lost.append(name)
                else:
                    self.programs[name] = {"path": str(path), "environment": environment if path.is_relative_to(root) else {}}
        for program in pins.go:
            path = golang.binary(cache, program)
            self.programs.pop(program.name, None)
            if path.exists():
                self.programs[program.name] = {"path": str(path), "environment": {}, "version": program.version}
                self.unavailable.pop(program.name, None)
            elif program.name not in self.unavailable:
                lost.append(program.name)
        for tree in pins.roots:
            archive = roots.archive(cache, tree)
            self.roots.pop(tree.name, None)
            if archive.exists():
                self.roots[tree.name] = {"path": str(archive)}
        return lost


def load(cache: Path) -> Inventory:
    """Read the record, empty if there is none yet."""
    return Inventory(*(_read(cache / f"{name}.json") for name in ("programs", "unavailable", "roots")))


def save(cache: Path, inventory: Inventory) -> None:
    """Write the record and the settings files that the container tools ask for."""
    _write(cache / "policy.json", {"default": [{"type": "insecureAcceptAnything"}]})
    _write(cache / "programs.json", inventory.programs)
    _write(cache / "unavailable.json", inventory.unavailable)
    _write(cache / "roots.json", inventory.roots)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        read: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return read


def _write(path: Path, value: object) -> None:
    # Tests that run meanwhile must never read half a file.
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", "utf-8")
    scratch.replace(path)
