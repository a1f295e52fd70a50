"""Where the peers and clients are: as `tools/testbed` recorded them, else on the PATH."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.failure import BenchmarkFailed

_LOOKUP_S: Final = 20
_NUMBER: Final = re.compile(r"\d+\.\d[\w.+-]*")
_VERSION_OPTION: Final = {"nginx": "-v", "wrk": "-v"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and what it needs in its environment."""

    path: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment to start it in, without any setting of Entrepot's."""
        return clean_environment() | self.variables


def clean_environment() -> dict[str, str]:
    """Return our own environment without what no user's has: a registry's settings, and Python's that it shall not cache code."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ENTREPOT_", "AWS_", "PYTHONDONTWRITE"))}


def tool(name: str) -> Tool:
    """Find a program.

    Raises:
        BenchmarkFailed: it is not there; the message says why where that is known.
    """
    entry = _recorded("programs.json").get(name)
    if entry is not None and Path(entry["path"]).exists():
        return Tool(Path(entry["path"]), entry["environment"])
    found = shutil.which(name)
    if found is not None:
        return Tool(Path(found))
    if name in _recorded("unavailable.json"):
        raise BenchmarkFailed(f"{name} is not available: the Go module proxy refused it")
    raise BenchmarkFailed(f"{name} is not available: run python -m tools.testbed install")


def version(name: str) -> str:
    """Return the version that a program tells, or why it is not there."""
    try:
        program = tool(name)
    except BenchmarkFailed as failed:
        return str(failed)
    command = [str(program.path), _VERSION_OPTION.get(name, "--version")]
    said = subprocess.run(command, capture_output=True, text=True, env=program.environment, timeout=_LOOKUP_S, check=False)
    line = next(iter((said.stdout + said.stderr).strip().splitlines()), "unknown")
    if line.startswith("{"):
        # zot tells it as a line of its log, and nothing when whoever built it gave it no version.
        return str(json.loads(line).get("commit") or "unknown")
    number = _NUMBER.search(line.replace(str(program.path), ""))
    return number[0] if number else line


def _recorded(file: str) -> dict[str, dict[str, Any]]:
    home = Path(os.environ.get("ENTREPOT_TOOLS") or Path.home() / ".cache" / "entrepot-tools")
    try:
        read: dict[str, dict[str, Any]] = json.loads((home / file).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return read
