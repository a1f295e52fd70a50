"""tools/run/environment.py: .venv is made from the lock files, follows them, and is remade when it cannot be trusted.

The lock files here name tiny packages that the tests make, so that no index is asked.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest


def wheel(folder: Path, name: str, version: str) -> str:
    """Make a wheel with one module that knows its version; return its line for a lock file."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = '{version}'\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"{name}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def lock(clone: Path, run: str, dev: str = "") -> None:
    (clone / "requirements/run.txt").write_text(run)
    (clone / "requirements/dev.txt").write_text(run + dev)


@pytest.fixture
def project(clone: Path) -> Path:
    """The shared copy with the same lock files for each test; each first makes the environment it starts from."""
    lock(clone, wheel(clone / "wheels", "tiny", "1"), wheel(clone / "wheels", "extra", "1"))
    return clone


def start(project: Path, kind: str = "run", **more: str) -> "subprocess.Popen[str]":
    variables = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.Popen(
        ["sh", "tools/run/python.sh", "-m", "tools.run.environment", kind],
        cwd=project,
        env=variables | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(project: Path, kind: str = "run", **more: str) -> str:
    """Bring the environment up to date; return what was said."""
    process = start(project, kind, **more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out == ""
    return err


def inside(project: Path, code: str) -> str:
    done = subprocess.run(
        [project / ".venv/bin/python", "-c", code], cwd="/", capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def remove_environment(project: Path) -> None:
    if (project / ".venv").exists():
        shutil.rmtree(project / ".venv")


def test_it_holds_the_locked_packages_and_our_source_and_nothing_of_the_system(project: Path) -> None:
    remove_environment(project)
    make(project)
    assert inside(project, "import tiny; print(tiny.VERSION)") == "1"
    assert inside(project, "import entrepot; print(entrepot.__file__)") == str(project / "src/entrepot/__init__.py")
    assert inside(project, "import extra").startswith("ModuleNotFoundError")
    assert "include-system-site-packages = false" in (project / ".venv/pyvenv.cfg").read_text()


def test_a_second_time_nothing_is_done_and_nothing_is_said(project: Path) -> None:
    make(project, "dev")
    stamp = project / ".venv/entrepot.json"
    before = stamp.stat().st_mtime_ns
    assert make(project, "dev") == ""
    assert make(project, "run") == ""
    assert stamp.stat().st_mtime_ns == before


def test_the_command_is_in_it_also_where_it_was_made_before_there_was_one(project: Path) -> None:
    make(project)
    command = project / ".venv/bin/entrepot"
    command.unlink()
    assert make(project) == ""
    # What the product needs is not in this environment: that it is what is started is all that shows.
    said = subprocess.run([command, "two words"], capture_output=True, text=True, check=False)
    assert str(project / "src/entrepot/__main__.py") in said.stderr
    assert "ModuleNotFoundError" in said.stderr


def test_after_a_pull_it_follows_the_lock_file_and_drops_what_left_it(project: Path) -> None:
    make(project)
    site = next(project.glob(".venv/lib/python*/site-packages"))
    (site / "mark").touch()
    lock(project, wheel(project / "wheels", "small", "2"))
    said = make(project)
    assert inside(project, "import small; print(small.VERSION)") == "2"
    assert inside(project, "import tiny").startswith("ModuleNotFoundError")
    assert "tiny" in said
    # Brought up to date in place, not made anew.
    assert (site / "mark").exists()


def test_what_the_tests_need_survives_an_update_of_what_running_needs(project: Path) -> None:
    make(project, "dev")
    lock(project, wheel(project / "wheels", "tiny", "2"), wheel(project / "wheels", "extra", "1"))
    make(project, "run")
    assert inside(project, "import extra, tiny; print(extra.VERSION, tiny.VERSION)") == "1 2"


@pytest.mark.parametrize("left", ["lib", pytest.param("pyvenv.cfg", marks=pytest.mark.long)])
def test_a_half_made_environment_is_remade(project: Path, left: str) -> None:
    remove_environment(project)
    (project / ".venv" / left).mkdir(parents=True)
    make(project)
    assert inside(project, "import tiny; print(tiny.VERSION)") == "1"


@pytest.mark.long
def test_one_whose_update_was_interrupted_is_remade(project: Path) -> None:
    make(project)
    (project / ".venv/entrepot.json").unlink()
    (project / ".venv/half").touch()
    make(project)
    assert not (project / ".venv/half").exists()
    assert inside(project, "import tiny; print(tiny.VERSION)") == "1"


def test_a_first_run_that_was_killed_is_made_good_by_the_next(project: Path) -> None:
    remove_environment(project)
    process = start(project)
    deadline = time.monotonic() + 60
    while not (project / ".venv/pyvenv.cfg").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    make(project)
    assert inside(project, "import tiny; print(tiny.VERSION)") == "1"


def test_in_a_moved_folder_it_is_remade(project: Path) -> None:
    make(project)
    moved = project.with_name("moved")
    project.rename(moved)
    try:
        make(moved)
        assert inside(moved, "import entrepot; print(entrepot.__file__)") == str(moved / "src/entrepot/__init__.py")
        assert str(moved) in (moved / ".venv/bin/pip").read_text().splitlines()[0]
    finally:
        moved.rename(project)


@pytest.mark.long
def test_when_its_python_is_gone_it_is_remade(project: Path) -> None:
    make(project)
    for each in (project / ".venv/bin").glob("python*"):
        each.unlink()
        each.symlink_to("/nonexistent/python3")
    make(project)
    assert inside(project, "import tiny; print(tiny.VERSION)") == "1"


def test_a_package_whose_bytes_were_changed_is_refused(project: Path) -> None:
    make(project)
    lock(project, wheel(project / "wheels", "changed", "1"))
    changed = project / "wheels/changed-1-py3-none-any.whl"
    changed.write_bytes(changed.read_bytes() + b"\0")
    process = start(project)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "could not be installed" in said
    assert "Traceback" not in said
    assert not (project / ".venv/entrepot.json").exists()


def test_a_persons_own_pip_settings_do_not_lead_astray(project: Path, tmp_path: Path) -> None:
    make(project)
    lock(project, wheel(project / "wheels", "tiny", "3"))
    make(project, PIP_USER="1", PIP_TARGET=str(tmp_path / "elsewhere"), PIP_NO_BINARY=":all:")
    assert inside(project, "import tiny; print(tiny.VERSION)") == "3"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.long
def test_two_at_once_wait_for_each_other(project: Path) -> None:
    remove_environment(project)
    both = [start(project), start(project)]
    said = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("Installing" in each for each in said) == 1


@pytest.mark.long
def test_a_link_in_place_of_the_environment_is_replaced_and_its_target_left_alone(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "somebody's"
    target.mkdir()
    (target / "file").touch()
    remove_environment(project)
    (project / ".venv").symlink_to(target)
    make(project)
    assert not (project / ".venv").is_symlink()
    assert (target / "file").exists()
