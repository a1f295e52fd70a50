"""Root file systems for containers, put together from Debian's packages and kept as tar files.

No registry of images need be reached for them. The packages are unpacked and never configured: that takes seconds, and nothing is
started. Of what their own scripts would have made, the users that every Debian has are made here.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tools.testbed import debian
from tools.testbed.pins import Root
from tools.testbed.places import InstallError

# Since Debian 12 these are links; the packages of 12 still name files below both.
_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_USERS: Final = ("passwd", "group")
# What nobody reads in a container, and the compiler without which PostgreSQL works as well: half of all bytes.
_LEFT_OUT: Final = (
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
    "./usr/share/i18n",
    "*/llvmjit*",
    "*/libLLVM*",
    "*/libz3*",
)


def archive(cache: Path, root: Root) -> Path:
    """Return where the file system is, or will be; its name changes with what it is made of."""
    what = hashlib.sha256(" ".join((*root.packages, *_LEFT_OUT)).encode()).hexdigest()[:12]
    return cache / "roots" / f"{root.name}-{what}.tar"


def make(cache: Path, root: Root) -> None:
    """Put the file system together, unless it is there.

    Raises:
        InstallError: a package cannot be had or unpacked.
    """
    target = archive(cache, root)
    if target.exists():
        return
    packages = debian.fetch_whole(cache, list(root.packages))
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        tree, packed = Path(scratch) / "tree", Path(scratch) / "tar"
        for folder in _MERGED:
            (tree / "usr" / folder).mkdir(parents=True)
            (tree / folder).symlink_to(f"usr/{folder}")
        for package in packages:
            _unpack(package, tree)
        for users in _USERS:
            shutil.copy(tree / "usr" / "share" / "base-passwd" / f"{users}.master", tree / "etc" / users)
        _run(["tar", "--create", "--file", str(packed), "--directory", str(tree), "--numeric-owner", "."])
        packed.rename(target)


def _unpack(package: Path, tree: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as reading:
        left_out = [f"--exclude={each}" for each in _LEFT_OUT]
        _run(["tar", "--extract", "--keep-directory-symlink", *left_out, "--directory", str(tree)], reading)
    if reading.returncode:
        raise InstallError(f"{package.name} cannot be unpacked")


def _run(command: list[str], reading: "subprocess.Popen[bytes] | None" = None) -> None:
    stdin = subprocess.DEVNULL if reading is None else reading.stdout
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
