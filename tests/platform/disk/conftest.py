"""A small file system of a test's own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.tools import missing


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    yield from mounted(tmp_path / "small", 32 << 20)


@pytest.fixture
def larger_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MiB."""
    yield from mounted(tmp_path / "larger", 256 << 20)


def mounted(folder: Path, size_bytes: int) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=700,nr_inodes=1000", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"a small file system can be mounted by root only: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
