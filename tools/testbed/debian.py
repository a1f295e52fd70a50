"""Debian packages, fetched with what they need and unpacked into the cache.

Nothing is installed: Debian's servers would start themselves and listen to everyone. apt keeps its lists and archives in
the cache too, so that neither root nor a change of the machine's own lists is needed.
"""

import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tools.testbed.pins import DebianPackage
from tools.testbed.places import InstallError, locked

_LISTS_FRESH_S: Final = 24 * 3600
_MACHINE_FOLDERS: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Chromium itself comes before the script of that name in usr/bin, which looks for it where it is installed.
_PROGRAM_FOLDERS: Final = ("usr/lib/chromium", "usr/bin", "usr/sbin", "bin", "sbin")
# The last is a library's own, which Chromium's sound needs.
_LIBRARY_FOLDERS: Final = ("usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio")
_POSTGRESQL: Final = "usr/lib/postgresql/*/bin"


def unpacked_root(cache: Path) -> Path:
    """Return the folder that all packages share."""
    return cache / "debian"


def machine_program(name: str) -> Path | None:
    """Find a program that the machine itself has, PostgreSQL's also where Debian hides them."""
    folders = [*os.environ.get("PATH", "").split(":"), *_MACHINE_FOLDERS, *_newest_first(Path("/").glob(_POSTGRESQL))]
    found = shutil.which(name, path=":".join(folders))
    return Path(found) if found else None


def unpacked_program(cache: Path, name: str) -> Path | None:
    """Find a program among those unpacked here."""
    root = unpacked_root(cache)
    folders = [*(str(root / folder) for folder in _PROGRAM_FOLDERS), *_newest_first(root.glob(_POSTGRESQL))]
    found = shutil.which(name, path=":".join(folders))
    return Path(found) if found else None


def program(cache: Path, package: DebianPackage, name: str) -> Path | None:
    """Find the program to use: the machine's own first, unless the package is pinned as our own."""
    ours, theirs = unpacked_program(cache, name), machine_program(name)
    return ours or (theirs if _from_debian(theirs) else None) if package.own else theirs or ours


def missing(cache: Path, packages: Iterable[DebianPackage]) -> list[DebianPackage]:
    """Return the packages of which a program is nowhere to be found, or was unpacked by a run that did not finish."""
    root = unpacked_root(cache)

    def here(package: DebianPackage, name: str) -> bool:
        path = program(cache, package, name)
        return path is not None and (not path.is_relative_to(root) or _mark(root, package.name).exists())

    return [package for package in packages if not all(here(package, name) for name in package.programs)]


def environment(cache: Path) -> dict[str, str]:
    """Return what unpacked programs need to find their libraries and one another."""
    root = unpacked_root(cache)
    libraries = sorted({str(path) for folder in _LIBRARY_FOLDERS for path in root.glob(folder) if path.is_dir()})
    programs = ":".join(str(root / folder) for folder in _PROGRAM_FOLDERS)
    found = {"PATH": f"{programs}:{os.environ.get('PATH', '')}:{':'.join(_MACHINE_FOLDERS)}"}
    return found | ({"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {})


def unpack(cache: Path, packages: list[DebianPackage]) -> None:
    """Fetch and unpack the packages and whatever they need that the machine does not have.

    Raises:
        InstallError: apt cannot fetch them.
    """
    apt = cache / "apt"
    with locked(apt):
        _make_folders(apt)
        _refresh_lists(apt)
        root = unpacked_root(cache)
        root.mkdir(parents=True, exist_ok=True)
        for archive in _fetch(apt, [package.name for package in packages]):
            _run(["dpkg-deb", "--extract", str(archive), str(root)])
        # The marks come last, so that an unpacking that was interrupted is done again.
        for package in packages:
            _mark(root, package.name).touch()
    left = [name for package in packages for name in package.programs if program(cache, package, name) is None]
    if left:
        raise InstallError(f"Debian's packages were unpacked but do not hold: {', '.join(left)}")


def fetch_whole(cache: Path, names: list[str]) -> list[Path]:
    """Fetch packages with everything that they need, also what this machine has; return the archives.

    Raises:
        InstallError: apt cannot fetch them.
    """
    apt = cache / "apt"
    with locked(apt):
        _make_folders(apt)
        _refresh_lists(apt)
        # A machine on which nothing is installed.
        nothing = apt / "nothing-installed"
        nothing.touch()
        return _fetch(apt, names, "-o", f"Dir::State::status={nothing}")


def _make_folders(apt: Path) -> None:
    for folder in ("lists/partial", "archives/partial", "empty/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)


def _newest_first(folders: Iterable[Path]) -> list[str]:
    return sorted(
        (str(folder) for folder in folders),
        key=lambda folder: [int(part) for part in folder.split("/") if part.isdigit()],
        reverse=True,
    )


def _from_debian(path: Path | None) -> bool:
    return path is not None and path.parent.as_posix() in {"/usr/bin", "/usr/sbin"}


def _apt(apt: Path, *words: str) -> list[str]:
    options = {
        "Dir::State::lists": f"{apt}/lists",
        "Dir::Cache": str(apt),
        "Dir::Cache::archives": f"{apt}/archives",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": getpass.getuser(),
        "APT::Update::Post-Invoke::": "true",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::Retries": "3",
    }
    return ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}")), *words]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise InstallError(f"{' '.join(command[-8:])} failed:\n{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _refresh_lists(apt: Path) -> None:
    stamp = apt / "updated"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < _LISTS_FRESH_S:
        return
    print("Reading Debian's package lists.", flush=True)
    _run(_apt(apt, "update"))
    stamp.touch()


def _fetch(apt: Path, names: list[str], *options: str) -> list[Path]:
    command = _apt(apt, *options, "install", "--yes", "--no-install-recommends", "--no-upgrade", *names)
    # apt leaves out of this list what it has fetched already, so it looks into a folder that stays empty. The second word
    # of each line names the file that the download will have.
    listed = _run([*command, "--print-uris", "-o", f"Dir::Cache::archives={apt}/empty"])
    files = [line.split()[1] for line in listed.splitlines() if line.startswith("'")]
    print(f"Fetching {len(files)} Debian packages for {', '.join(names)}.", flush=True)
    _run([*command, "--download-only"])
    return [apt / "archives" / file for file in files]


def _mark(root: Path, name: str) -> Path:
    return root / f".unpacked-{name}"
