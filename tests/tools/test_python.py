"""tools/run/python.sh: which Python it takes, and what it says when none fits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.tools import PROJECT

pytestmark = pytest.mark.fast
BASE = Path(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder to be the whole PATH: a shell's few needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "sed"):
        (folder / name).symlink_to(shutil.which(name) or "")
    return folder


def old_python(file: Path, version: str) -> None:
    """A Python that is too old to parse anything of ours; it knows only the answers to the script's question."""
    file.write_text(f"#!/bin/sh\necho {version}\necho {file}\necho old\n")
    file.chmod(0o755)


def ask(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(PROJECT / "tools/run/python.sh"), *(arguments or ("-c", "import sys; print(sys.executable)"))]
    return subprocess.run(
        command, env={"PATH": str(path), **variables}, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_older_python_stops_with_the_versions_found_and_needed(path: Path) -> None:
    old_python(path / "python3", "3.9.2")
    done = ask(path)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert f"{path}/python3 is 3.9.2" in done.stderr
    assert done.stdout == ""


def test_make_run_ends_with_the_same_sentence(path: Path) -> None:
    old_python(path / "python3", "3.8.10")
    make = shutil.which("make") or "make"
    done = subprocess.run(
        [make, "run"], env={"PATH": str(path)}, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "3.8.10" in done.stderr
    assert "Traceback" not in done.stderr
    assert "SyntaxError" not in done.stderr


def test_without_any_python_it_says_so(path: Path) -> None:
    done = ask(path)
    assert done.returncode == 1
    assert "there is no python3 on the PATH" in done.stderr


def test_a_newer_python_beside_an_older_python3_is_taken(path: Path) -> None:
    old_python(path / "python3", "3.9.2")
    (path / "python3.12").symlink_to(BASE)
    done = ask(path, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (0, "ran\n")


def test_a_python_named_by_hand_comes_first(path: Path, tmp_path: Path) -> None:
    old_python(path / "python3", "3.9.2")
    named = tmp_path / "my python"
    named.symlink_to(BASE)
    assert ask(path, "-c", "print('ran')", PYTHON=str(named)).stdout == "ran\n"


def test_an_active_virtual_environment_gives_way_to_its_base(path: Path, tmp_path: Path) -> None:
    subprocess.run([BASE, "-m", "venv", "--without-pip", tmp_path / "active"], check=True)
    (path / "python3").symlink_to(tmp_path / "active/bin/python3")
    done = ask(
        tmp_path / "active/bin", "-c", "import sys; print(sys.prefix == sys.base_prefix)", PATH=f"{tmp_path}/active/bin:{path}"
    )
    assert done.stdout == "True\n"


def test_what_a_shell_has_set_for_other_pythons_is_left_behind(path: Path, tmp_path: Path) -> None:
    (path / "python3").symlink_to(BASE)
    code = "import os, sys; print('PYTHONPATH' in os.environ, sys.flags.no_user_site)"
    assert ask(path, "-c", code, PYTHONPATH=str(tmp_path), HOME=os.environ.get("HOME", "/")).stdout == "False 1\n"
