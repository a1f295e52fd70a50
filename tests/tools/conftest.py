"""Copies of the project, so that commands which make and remake things do it away from the real one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from support.tools import PROJECT


def copy_project(target: Path) -> Path:
    """Copy what git tracks or would track, as a fresh clone would have it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "Makefile", "requirements", "src", "tools"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target / name)
    return target


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that the tests of a module share, and with it the environment that the first of them makes."""
    return copy_project(tmp_path_factory.mktemp("copy") / "clone")
