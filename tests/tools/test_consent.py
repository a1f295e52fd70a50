"""tools/run/consent.py: who is asked before something is installed, and what the answers do."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tools.run import consent

from support.tools import PROJECT

pytestmark = pytest.mark.fast
ASK = """
import os, sys
from tools.run.consent import may_install
sys.exit(not may_install(["Into somewhere: skopeo"], os.environ, is_disposable=False))
"""


def answered(answer: str) -> tuple[int, str]:
    """Ask at a terminal and type the answer; return the exit code and what the terminal showed."""
    mine, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", ASK], stdin=theirs, stdout=theirs, stderr=theirs, cwd=PROJECT) as process:
        os.close(theirs)
        os.write(mine, answer.encode())
        code = process.wait(timeout=60)
    shown = os.read(mine, 65536).decode()
    os.close(mine)
    return code, shown


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("what?\n", 1)])
def test_a_person_is_shown_the_plan_and_asked_once(answer: str, code: int) -> None:
    got, shown = answered(answer)
    assert got == code
    assert shown.index("Into somewhere: skopeo") < shown.index("Install it now?")
    assert shown.count("Install it now?") == 1


def test_without_a_terminal_it_stops_with_the_hint() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "skopeo" in done.stdout
    assert "YES=1" in done.stderr


def test_yes_answers_beforehand() -> None:
    assert consent.may_install(["something"], {"YES": "1"}, is_disposable=False)


def test_nobody_is_asked_when_nothing_is_missing() -> None:
    assert consent.may_install([], {}, is_disposable=False)


def test_nobody_is_asked_in_ci() -> None:
    assert consent.is_disposable({"CI": "true"}, user=1000, marks=())


def test_nobody_is_asked_as_root_in_a_container(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert not consent.is_disposable({}, user=0, marks=[mark])
    mark.touch()
    assert consent.is_disposable({}, user=0, marks=[mark])
    assert consent.is_disposable({"container": "podman"}, user=0, marks=())


def test_an_ordinary_user_in_a_container_is_asked(tmp_path: Path) -> None:
    assert not consent.is_disposable({"container": "podman"}, user=1000, marks=[tmp_path])


def test_the_plan_names_what_an_empty_cache_lacks(tmp_path: Path) -> None:
    code = "from tools.run import consent; print(*consent.plan_of('test'), sep='\\n')"
    variables = {**os.environ, "ENTREPOT_TOOLS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, cwd=PROJECT, check=True, timeout=60
    )
    assert str(tmp_path) in done.stdout
    assert "crane" in done.stdout
