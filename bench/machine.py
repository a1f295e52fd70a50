"""What the figures depend on: the machine, its system, and the versions of everything that took part."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Final

from bench.tools import version
from entrepot import __version__

_PEERS: Final = ("docker-registry", "nginx", "zot", "postgres", "wrk", "skopeo", "curl")


def describe(scratch: Path) -> dict[str, str]:
    """Describe the machine and the file system on which the data lay."""
    facts = {
        "processor": f"{_line('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(scratch),
        "Python": platform.python_version(),
        "Entrepot": f"{__version__}{_commit()}",
    }
    return facts | {name: version(name) for name in _PEERS}


def _line(file: str, name: str) -> str:
    """Return what stands behind a name and a colon, or 'unknown'; arm64 names no processor model."""
    lines = (line.partition(":") for line in Path(file).read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "unknown")


def _file_system(folder: Path) -> str:
    told = subprocess.run(["df", "--output=fstype", str(folder)], capture_output=True, text=True, check=False)
    return told.stdout.split()[-1] if told.returncode == 0 else "unknown"


def _commit() -> str:
    """Return the commit in brackets, with a plus sign when the tree differs from it; nothing without git."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    told = subprocess.run(described, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return f" ({told.stdout.strip()})" if told.returncode == 0 else ""
