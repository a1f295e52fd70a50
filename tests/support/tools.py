"""Finds the real programs that tests run, as `tools/testbed` recorded them, and says why one is missing.

Outside CI a missing program skips the tests that need it. With CI=true only a refusal of the Go module proxy does.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

PROJECT: Final = Path(__file__).resolve().parents[2]
PROXY_REFUSED: Final = "the Go module proxy did not answer"
_LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program, the environment that it needs, and the folder that it runs in if that matters."""

    name: str
    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    def run(
        self, *words: str, check: bool = True, limit_s: float = _LIMIT_S, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; a failure shows what it said, unless `check` is off."""
        done = subprocess.run(
            [str(self.path), *words],
            cwd=self.folder,
            env=self.surroundings(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
        if check and done.returncode:
            pytest.fail(f"{self.name} {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def with_own(self, environment: dict[str, str], folder: Path | None = None) -> "Program":
        """Return the same program with more in its environment, as tests give it settings of their own."""
        return Program(self.name, self.path, {**self.environment, **environment}, folder)

    def surroundings(self, **environment: str) -> dict[str, str]:
        """Return the whole environment to start it in."""
        return {**os.environ, **self.environment, **environment}


def cache() -> Path:
    """Return the folder that `tools/testbed` installs into."""
    return Path(os.environ.get("ENTREPOT_TOOLS") or Path.home() / ".cache" / "entrepot-tools")


def program(name: str) -> Program:
    """Find a program, or skip the test (in CI: fail it) with the reason."""
    entry = _read("programs.json").get(name)
    if entry is not None and Path(entry["path"]).exists():
        return Program(name, Path(entry["path"]), entry["environment"])
    refused = _read("unavailable.json").get(name)
    if refused is not None:
        pytest.skip(f"{PROXY_REFUSED}: {name} ({refused['reason']})")
    return missing(f"{name} is not there: run python3 -m tools.testbed install")


def missing(reason: str) -> NoReturn:
    """Skip the test for want of something that every machine of ours can have; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def newer_docker() -> Program:
    """Find the machine's own `docker` command where it is another than Debian's."""
    debian = program("docker")
    path = shutil.which("docker")
    if path is None or Path(path).resolve() == debian.path.resolve():
        pytest.skip("this machine has no docker command of its own")
    return Program("docker", Path(path))


def _read(file: str) -> dict[str, dict[str, Any]]:
    try:
        read: dict[str, dict[str, Any]] = json.loads((cache() / file).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return read
