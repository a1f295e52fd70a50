"""Entrepot's own commands, run beside a served instance."""

import json
import os
import subprocess
import sys
from typing import Any

from support.instance import Instance, surroundings


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `entrepot` with these words and environment variables, and with none of the caller's settings."""
    command = [sys.executable, "-m", "entrepot", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=surroundings(**variables), cwd=os.sep
    )


def place(hub: Instance) -> list[str]:
    """Return the options that name an instance's data."""
    return ["--data", str(hub.data), *(["--database", hub.database] if hub.database else [])]


def history(hub: Instance, repository: str, tag: str) -> list[dict[str, Any]]:
    """Return the moves of a tag, newest first."""
    done = run("tag", "history", f"{repository}:{tag}", "--json", "--limit", "10000", *place(hub))
    assert done.returncode == 0, done.stderr
    moves: list[dict[str, Any]] = json.loads(done.stdout)
    return moves
