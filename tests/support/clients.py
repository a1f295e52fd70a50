"""The real command-line clients, each told to use plain HTTP and nothing of the user's own settings."""

import json
from pathlib import Path
from typing import Any, Final

from support.daemons import Containerd
from support.tools import Program, cache, program

_LONG_S: Final = 600.0


class Skopeo:
    """skopeo, with a policy that accepts images that nobody signed."""

    def __init__(self) -> None:
        self._program = program("skopeo")

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command and return what it printed."""
        policy = ("--policy", str(cache() / "policy.json"))
        done = self._program.run(*policy, *words, check=check, limit_s=_LONG_S, REGISTRY_AUTH_FILE=str(cache() / "no-auth.json"))
        return done.stdout if not done.returncode else done.stdout + done.stderr

    def copy(self, source: str, target: str, *options: str) -> None:
        """Copy an image between any two places."""
        plain = [
            word
            for flag, place in (("--src-tls-verify=false", source), ("--dest-tls-verify=false", target))
            if _remote(place)
            for word in [flag]
        ]
        self.run("copy", *plain, *options, source, target)

    def inspect(self, place: str, *options: str) -> Any:
        """Return what it says about an image."""
        return json.loads(self.run("inspect", "--tls-verify=false", *options, place))

    def tags(self, host: str, repository: str) -> list[str]:
        """Return the tags of a repository."""
        listed: list[str] = json.loads(self.run("list-tags", "--tls-verify=false", f"docker://{host}/{repository}"))["Tags"]
        return listed


class Crane:
    """crane, which takes a loopback address to mean plain HTTP."""

    def __init__(self, home: Path) -> None:
        self._program = program("crane")
        self._home = home

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command and return what it printed, without the line end."""
        done = self._program.run(*words, check=check, limit_s=_LONG_S, DOCKER_CONFIG=str(self._home), HOME=str(self._home))
        return done.stdout.strip() if not done.returncode else done.stdout + done.stderr


class Oras:
    """oras, which is told of plain HTTP by each command, twice if it copies."""

    def __init__(self, folder: Path) -> None:
        # It refuses to push a file by a path that begins at the root, so it runs where the files are.
        self._program = program("oras").with_own({"DOCKER_CONFIG": str(folder)}, folder)

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command that speaks with one registry, in a folder of files to push; return what it printed."""
        return self._run(*words, "--plain-http", check=check)

    def copy(self, source: str, target: str, *options: str) -> None:
        """Copy an artifact between two repositories."""
        self._run("copy", "--from-plain-http", "--to-plain-http", *options, source, target)

    def told(self, *words: str) -> Any:
        """Run one command and read its JSON."""
        return json.loads(self.run(*words, "--format", "json"))

    def _run(self, *words: str, check: bool = True) -> str:
        done = self._program.run(*words, check=check, limit_s=_LONG_S)
        return done.stdout.strip() if not done.returncode else done.stdout + done.stderr


class Regctl:
    """regctl, with settings of its own that name the one registry."""

    def __init__(self, folder: Path, host: str) -> None:
        own = {"REGCTL_CONFIG": str(folder / "regctl.json"), "DOCKER_CONFIG": str(folder)}
        self._program = program("regctl").with_own(own)
        self.run("registry", "set", host, "--tls", "disabled")

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command and return what it printed, without the line end."""
        done = self._program.run(*words, check=check, limit_s=_LONG_S)
        return done.stdout.strip() if not done.returncode else done.stdout + done.stderr

    def told(self, *words: str) -> Any:
        """Run one command and read its JSON."""
        return json.loads(self.run(*words, "--format", "{{json .}}"))


class Helm:
    """helm without any cluster: only what it does with charts."""

    def __init__(self, folder: Path) -> None:
        own = {f"HELM_{kind}_HOME": str(folder / f"helm-{kind.lower()}") for kind in ("CACHE", "CONFIG", "DATA")}
        self._program = program("helm").with_own(own)

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command and return all that it printed: it says what it pushed on its standard error."""
        done = self._program.run(*words, check=check)
        return done.stdout + done.stderr


class Ctr:
    """ctr against a containerd of our own, with plain HTTP."""

    def __init__(self, containerd: Containerd, snapshotter: str) -> None:
        self._program: Program = program("ctr")
        self._words = ("--address", containerd.address, "--namespace", "tests")
        self._snapshotter = ("--snapshotter", snapshotter)

    def run(self, *words: str, check: bool = True) -> str:
        """Run one command and return what it printed."""
        done = self._program.run(*self._words, *words, check=check, limit_s=_LONG_S)
        return done.stdout if not done.returncode else done.stdout + done.stderr

    def runs(self, *words: str) -> bool:
        """Run one command and tell whether it says that all went well."""
        return self._program.run(*self._words, *words, check=False, limit_s=_LONG_S).returncode == 0

    def pull(self, name: str, platform: str) -> None:
        """Pull and unpack the image for one platform."""
        self.run("images", "pull", "--plain-http", *self._snapshotter, "--platform", platform, name)

    def push(self, name: str, *options: str) -> None:
        """Push an image that containerd has under this name."""
        self.run("images", "push", "--plain-http", *options, name)

    def bring(self, archive: Path, repository: str) -> None:
        """Read an archive of an OCI layout with everything in it, for all platforms; its tags become tags of the repository."""
        self.run("images", "import", "--all-platforms", "--no-unpack", "--base-name", repository, str(archive))

    def digest(self, name: str) -> str:
        """Return the digest that containerd knows an image's name by."""
        rows = [line.split() for line in self.run("images", "list", f"name=={name}").splitlines()[1:]]
        return rows[0][2]

    def content(self) -> set[str]:
        """Return the digests of all that containerd holds."""
        return set(self.run("content", "list", "--quiet").split())

    def forget(self, name: str) -> None:
        """Remove an image and what only it needed, before returning."""
        self.run("images", "remove", "--sync", name)


def _remote(place: str) -> bool:
    return place.startswith("docker://")
