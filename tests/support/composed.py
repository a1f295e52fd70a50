"""What a compose file has started, and the images that stand for those that it would pull."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from support import bases
from support.tools import PROJECT, Program

_SOURCES: Final = PROJECT / "tests" / "packaging" / "services"
_LIMIT_S: Final = 600.0


class Composed:
    """The services of packaging/compose in a copy of that folder, below `root`; `images` are the variables that name images."""

    def __init__(self, command: Program, root: Path, images: Mapping[str, str]) -> None:
        self._root = root
        self.folder = root / "packaging" / "compose"
        self.command = command.with_own(dict(images), self.folder)

    def follow(self, commands: str) -> str:
        """Run commands of a page, which are for an administrator in a clone of the project; return what they printed."""
        # The docker command is found as people find it.
        found = self.command.surroundings()
        path = f"{self.command.path.parent}:{found['PATH']}"
        where = self._root if "cd packaging/compose" in commands else self.folder
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=where,
            env={**found, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.compose('logs', '--tail=20', check=False)}"
        return done.stdout + done.stderr

    def compose(self, *words: str, check: bool = True) -> str:
        """Run one command of `docker compose`."""
        done = self.command.run("compose", *words, check=check, limit_s=_LIMIT_S)
        return done.stdout + done.stderr

    def inside(self, service: str, *words: str) -> str:
        """Run a command in a service's container."""
        return self.compose("exec", "--no-TTY", service, *words)

    def states(self) -> dict[str, str]:
        """Return the state of each service's container."""
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each["State"]["Status"] for each in self._containers()}

    def published(self) -> dict[str, list[str]]:
        """Return the addresses at which services are reached from outside their networks."""
        found = {}
        for each in self._containers():
            bound = [where for ports in each["NetworkSettings"]["Ports"].values() for where in ports or ()]
            if bound:
                name = each["Config"]["Labels"]["com.docker.compose.service"]
                found[name] = [f"{where['HostIp']}:{where['HostPort']}" for where in bound]
        return found

    def described(self) -> str:
        """Return all that anyone who may ask the daemon is told of the containers."""
        return json.dumps(self._containers())

    def image_id(self, name: str) -> str:
        """Return the id of an image that the daemon has."""
        return self.command.run("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()

    def _containers(self) -> list[dict[str, Any]]:
        names = self.command.run("compose", "ps", "--all", "--quiet").stdout.split()
        found: list[dict[str, Any]] = json.loads(self.command.run("inspect", *names).stdout)
        return found


def make_images(command: Program, folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Make the images of these services; return the compose file's variables that name them."""
    shutil.copytree(_SOURCES, folder)
    shutil.copy(Path(sys.executable).with_name("weed"), folder)
    bases.load(command, "services")
    for name in names:
        bases.build(command, "build", "--network", "host", "--target", name, "--tag", f"{name}:tests", str(folder))
    return {f"{name.upper()}_IMAGE": f"{name}:tests" for name in names}
