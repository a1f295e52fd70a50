"""A copy of the product's sources that a test may change: a broken migration, a missing sync, a forbidden import."""

import shutil
import subprocess
import sys
from pathlib import Path

from support.instance import surroundings
from support.tools import PROJECT

_LIMIT_S = 120.0


class Sources:
    """A copy of `src` in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "src"
        shutil.copytree(PROJECT / "src", self.folder, ignore=shutil.ignore_patterns("__pycache__"))

    def change(self, path: str, before: str, after: str) -> None:
        """Replace a text that must be there exactly once; `path` is relative to `src/entrepot`."""
        file = self.folder / "entrepot" / path
        text = file.read_text("utf-8")
        assert text.count(before) == 1, f"{path} has {text.count(before)} times: {before}"
        file.write_text(text.replace(before, after), "utf-8")

    def add(self, path: str, content: str) -> None:
        """Write a file, or add to the end of one that is there."""
        file = self.folder / "entrepot" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as end:
            end.write(content)

    def environment(self) -> dict[str, str]:
        """Return the environment in which `python -m entrepot` is this copy."""
        return surroundings(PYTHONPATH=str(self.folder))

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start `entrepot WORDS` from the copy."""
        return start_command(*words, environment=self.environment())

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `entrepot WORDS` from the copy to its end."""
        return run_command(*words, environment=self.environment())


def start_command(*words: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start `entrepot WORDS`, of this project unless the environment says otherwise."""
    command = [sys.executable, "-m", "entrepot", *words]
    return subprocess.Popen(
        command, env=environment or surroundings(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run_command(
    *words: str, environment: dict[str, str] | None = None, limit_s: float = _LIMIT_S
) -> "subprocess.CompletedProcess[str]":
    """Run `entrepot WORDS` to its end; what it printed, errors too, is in `stdout`."""
    child = start_command(*words, environment=environment)
    try:
        output, _ = child.communicate(timeout=limit_s)
    except BaseException:
        child.kill()
        child.communicate()
        raise
    return subprocess.CompletedProcess(words, child.returncode, output)
