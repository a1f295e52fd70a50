"""Base images for a docker daemon that can pull none, of the root file systems that `tools/testbed` put together."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from support.tools import Program, cache, missing

# What a build needs to reach the package index the way this machine does. A folder of wheels here is none in a container.
_FILES: Final = ("etc/ssl/certs/ca-certificates.crt", "etc/pip.conf")
ARGUMENTS: Final = ("PIP_CERT", "PIP_INDEX_URL", "PIP_TRUSTED_HOST")
_LIMIT_S: Final = 600.0


def load(command: Program, name: str) -> str:
    """Make the image NAME:root of a root file system and return its name."""
    try:
        where = Path(json.loads((cache() / "roots.json").read_text("utf-8"))[name]["path"])
    except (FileNotFoundError, KeyError):
        where = None
    if where is None or not where.exists():
        missing(f"the root file system {name} is not there: run python3 -m tools.testbed install")
    command.run("import", str(where), f"{name}:root", limit_s=_LIMIT_S)
    return f"{name}:root"


def with_the_machines_trust(command: Program, base: str, folder: Path) -> str:
    """Add to a base the certificates that this machine trusts; return the name of the new image."""
    lines = [f"FROM {base}"]
    for name in _FILES:
        if (Path("/") / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path("/") / name, folder / name)
            lines.append(f"COPY {name} /{name}")
    return make(command, folder, "\n".join(lines), f"{base.partition(':')[0]}:trusting")


def make(command: Program, folder: Path, dockerfile: str, name: str) -> str:
    """Build an image of a Dockerfile's text and the files of a folder, and return its name."""
    (folder / "Dockerfile").write_text(f"{dockerfile}\n", "utf-8")
    build(command, "build", "--network", "host", "--tag", name, str(folder))
    return name


def build(command: Program, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a build with BuildKit, which the daemon has in it."""
    return command.run(*words, check=check, limit_s=_LIMIT_S, DOCKER_BUILDKIT="1", BUILDKIT_PROGRESS="plain")


def arguments(base: str) -> list[str]:
    """Return the arguments of a build on this machine: the base, the host's network, and what pip needs to know."""
    given = {"BASE": base, **{name: os.environ[name] for name in ARGUMENTS if name in os.environ}}
    return ["--network", "host", *(word for name, value in given.items() for word in ("--build-arg", f"{name}={value}"))]
