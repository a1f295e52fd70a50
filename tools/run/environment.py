"""The virtual environment in .venv: made, kept up to date and remade when it cannot be trusted.

Usage: python -m tools.run.environment run|dev

It holds exactly what the lock files in requirements/ name and never sees the system's packages. A stamp, written last and taken
away before any change, says what it was made from; an environment without one was interrupted and is made anew.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
KINDS = ("run", "dev")
STAMP = "entrepot.json"
# Not the environment's own python, even when that runs this: it may have to be removed.
BASE = Path(getattr(sys, "_base_executable", sys.executable))
ASK = "import sys, sysconfig; print('%d.%d' % sys.version_info[:2], sysconfig.get_platform())"


class Unfit(Exception):
    """The environment cannot be made; the text tells the person what to do."""


def ensure(kind: str, root: Path = ROOT) -> Path:
    """Bring .venv under `root` to the state that requirements/`kind`.txt describes and return its python.

    Raises:
        Unfit: It cannot be made; the message tells what to do.
    """
    folder, python = root / ".venv", root / ".venv/bin/python"
    with _alone(root):
        stamp = _valid_stamp(folder)
        if stamp is None:
            _make(folder)
            stamp = {"folder": str(folder), "python": _python_facts(python) or ""}
        wanted = _digests(root, kind)
        if any(stamp.get(name) != digest for name, digest in wanted.items()):
            (folder / STAMP).unlink(missing_ok=True)
            _install(root, python, kind)
            kept = {name: stamp[name] for name in KINDS if stamp.get(name) == _digest(root, name)}
            facts = {"folder": stamp["folder"], "python": stamp["python"]}
            _write_stamp(folder, facts | kept | wanted)
        place_command(folder / "bin", python)
    return python


def place_command(folder: Path, python: Path) -> None:
    """Put the command `entrepot` of a python into a folder, unless it is there."""
    command, text = folder / "entrepot", f'#!/bin/sh\nexec {shlex.quote(str(python))} -m entrepot "$@"\n'
    if command.is_file() and command.read_text() == text:
        return
    draft = command.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(command)


def plan(kind: str, root: Path = ROOT) -> list[str]:
    """Say what `ensure` would install, a line each; nothing when the environment is as it should be."""
    stamp = _valid_stamp(root / ".venv") or {}
    if all(stamp.get(name) == digest for name, digest in _digests(root, kind).items()):
        return []
    count = len(LOCKED.findall((root / f"requirements/{kind}.txt").read_text()))
    system = [] if stamp or _can_make_environments() else [f"Debian's package {_venv_package()}, with apt-get"]
    return [*system, f"Into {root / '.venv'}: {count} Python packages of requirements/{kind}.txt"]


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold a lock, so that two commands in two terminals do not build the same environment at once."""
    handle = os.open(root / "requirements", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digest(root: Path, kind: str) -> str:
    return hashlib.sha256((root / f"requirements/{kind}.txt").read_bytes()).hexdigest()


def _digests(root: Path, kind: str) -> dict[str, str]:
    """Return the digests of the lock files that an environment of this kind satisfies; dev holds all that run does."""
    return {name: _digest(root, name) for name in KINDS[: KINDS.index(kind) + 1]}


def _valid_stamp(folder: Path) -> dict[str, str] | None:
    """Return the stamp of an environment that is whole, lies where it was made and still has its python; None otherwise."""
    try:
        stamp: dict[str, str] = json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return None
    if stamp.get("folder") != str(folder) or stamp.get("python") != _python_facts(folder / "bin/python"):
        return None
    return stamp


def _write_stamp(folder: Path, stamp: dict[str, str]) -> None:
    """Put the stamp in place in one step: a half-written one would be no proof of anything."""
    draft = folder / f"{STAMP}.new"
    draft.write_text(json.dumps(stamp, indent=1) + "\n")
    draft.replace(folder / STAMP)


def _python_facts(python: Path) -> str | None:
    """Return version and platform of the environment's python, or None when it does not run (its base was removed, say)."""
    try:
        answer = subprocess.run([python, "-I", "-c", ASK], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _make(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        _say("The environment in .venv is not whole, or was made elsewhere: making it anew.")
        shutil.rmtree(folder)
    _provide_venv()
    result = subprocess.run([BASE, "-I", "-m", "venv", folder], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Unfit(f"The environment could not be made in {folder}:\n{result.stdout}{result.stderr}".rstrip())


def _provide_venv() -> None:
    """See to it that this Python can make environments; Debian packs that part separately."""
    if _can_make_environments():
        return
    package = _venv_package()
    if not (BASE.is_relative_to("/usr/bin") and shutil.which("apt-get")):
        raise Unfit(f"{BASE} lacks its parts venv and ensurepip. Install them, or choose another: make run PYTHON=...")
    sudo = _sudo()
    if sudo is None:
        install = f"apt-get update && apt-get install -y {package}"
        hint = f"sudo sh -c '{install}'" if shutil.which("sudo") else f"su -c '{install}'"
        raise Unfit(f"Python's package {package} is missing. Install it with this command, then repeat yours:\n\n  {hint}\n")
    _say(f"Python's package {package} is missing: installing it with apt-get.")
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    install_it = [*apt, "install", "-y", "--no-install-recommends", package]
    # The lists may be missing or old, but are not fetched when what is there will do.
    done = subprocess.run(install_it, capture_output=True, check=False).returncode == 0
    if not done:
        subprocess.run([*apt, "update"], check=False, stdout=sys.stderr)
        done = subprocess.run(install_it, check=False, stdout=sys.stderr).returncode == 0
    if not (done and _can_make_environments()):
        raise Unfit(f"apt-get could not install {package}; its own messages stand above.")


def _venv_package() -> str:
    return f"python3.{sys.version_info[1]}-venv"


def _can_make_environments() -> bool:
    # Asked of a fresh process, because this one remembers what it did not find.
    code = "import venv, ensurepip; ensurepip.version()"
    return subprocess.run([BASE, "-I", "-c", code], capture_output=True, check=False).returncode == 0


def _sudo() -> list[str] | None:
    """Return what to put before a command that needs root: nothing as root, sudo where it asks no password, else None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    return None


def _install(root: Path, python: Path, kind: str) -> None:
    lock = root / f"requirements/{kind}.txt"
    _say(f"Installing {len(LOCKED.findall(lock.read_text()))} packages of requirements/{kind}.txt into .venv (up to a minute).")
    # Only wheels: building from source would need a compiler and would run build tools that no hash covers.
    options = ["--require-hashes", "--only-binary", ":all:", "--no-input", "--quiet", "--disable-pip-version-check"]
    if _pip(python, "install", *options, "-r", str(lock)).returncode != 0:
        raise Unfit(
            f"The packages of requirements/{kind}.txt could not be installed; pip's own messages stand above.\n"
            "Without access to a package index, point pip to yours (PIP_INDEX_URL) and repeat the command."
        )
    _remove_leftovers(root, python)
    packages = python.parent.parent / "lib" / f"python{_version(python)}" / "site-packages"
    (packages / "entrepot.pth").write_text(f"{root / 'src'}\n")


def _remove_leftovers(root: Path, python: Path) -> None:
    """Uninstall what no lock file names any more, so that nothing works here by accident and fails elsewhere."""
    listed = _pip(python, "list", "--format=json", "--disable-pip-version-check", capture_output=True)
    present = {_normal(each["name"]) for each in json.loads(listed.stdout)}
    locked = {_normal(name) for kind in KINDS for name in LOCKED.findall((root / f"requirements/{kind}.txt").read_text())}
    leftovers = sorted(present - locked - {"pip", "setuptools"})
    if leftovers:
        _say(f"Removing what is no longer needed: {', '.join(leftovers)}.")
        _pip(python, "uninstall", "--yes", "--quiet", *leftovers)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(python: Path) -> str:
    return (_python_facts(python) or sysconfig.get_python_version()).split()[0]


def _pip(python: Path, *arguments: str, capture_output: bool = False) -> subprocess.CompletedProcess[str]:
    # A person's own pip settings about places would put the packages elsewhere; those about the index and proxies are kept.
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_REQUIREMENT"}
    environment = {key: value for key, value in os.environ.items() if key not in elsewhere} | {"PIP_USER": "0"}
    command = [str(python), "-I", "-m", "pip", *arguments]
    stdout = subprocess.PIPE if capture_output else sys.stderr
    return subprocess.run(command, env=environment, text=True, stdout=stdout, check=False)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Make the environment named on the command line; the exit code is 0 when it is whole."""
    if sys.argv[1:] not in (["run"], ["dev"]):
        _say("Usage: python -m tools.run.environment run|dev")
        return 2
    try:
        ensure(sys.argv[1])
    except Unfit as unfit:
        _say(str(unfit))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
