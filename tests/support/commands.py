"""Entrepot's own commands, run beside a served instance."""

import json
import os
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner, Result

from entrepot.cli.commands import app
from support.instance import Instance, surroundings
from support.nodes import Nodes


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `entrepot` with these words and environment variables, and with none of the caller's settings."""
    command = [sys.executable, "-m", "entrepot", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=surroundings(**variables), cwd=os.sep
    )


def within(*words: str) -> Result:
    """Do what `run` does in this process, where a command takes no second to start."""
    unset = {name: None for name in os.environ if name.startswith("ENTREPOT_")}
    mask = os.umask(0o077)  # a command sets it for what it makes
    try:
        return CliRunner().invoke(app, words, env=unset)
    finally:
        os.umask(mask)


def place(hub: Instance | Nodes) -> list[str]:
    """Return the options that name an instance's data."""
    storage = hub.storage if isinstance(hub, Nodes) else ""
    return [
        *("--data", str(hub.data)),
        *(("--database", hub.database) if hub.database else ()),
        *(("--storage", storage) if storage else ()),
    ]


def keys(hub: Instance | Nodes) -> dict[str, str]:
    """Return the variables with the keys of an instance's bucket."""
    return {name: value for name, value in hub.environment.items() if name.startswith("AWS_")}


def history(hub: Instance | Nodes, repository: str, tag: str) -> list[dict[str, Any]]:
    """Return the moves of a tag, newest first."""
    done = run("tag", "history", f"{repository}:{tag}", "--json", "--limit", "10000", *place(hub), **keys(hub))
    assert done.returncode == 0, done.stderr
    moves: list[dict[str, Any]] = json.loads(done.stdout)
    return moves
