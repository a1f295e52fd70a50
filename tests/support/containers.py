"""podman and buildah on one storage of their own, which is all that they know of this machine."""

import os
import subprocess
from pathlib import Path
from typing import Final

from support.daemons import unmount_under
from support.tools import cache, missing, program

_LONG_S: Final = 600.0


class Containers:
    """The two commands, their settings and their images in one folder; needs root, and nothing of it runs on."""

    def __init__(self, folder: Path, *, partial: bool = False) -> None:
        """Make an empty storage; with `partial` it is one that pulls only those files of a layer that it lacks."""
        if os.geteuid() != 0:
            missing("podman and buildah run as root only")
        own = {
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
        }
        self._podman, self._buildah = (program(name).with_own(own) for name in ("podman", "buildah"))
        self._folder = folder
        # Partial pulls need overlay; plain copies work in any folder.
        self._driver = "overlay" if partial else "vfs"
        self._write_settings(partial=partial)

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment in which podman, and skopeo too, know nothing of this machine."""
        return self._podman.surroundings()

    @property
    def shell(self) -> str:
        """Return what a shell is told first, so that `podman` there is this one."""
        return f'podman() {{ "{self._podman.path}" --tmpdir "{self._folder / "libpod"}" "$@"; }}\n'

    def podman(self, *words: str, check: bool = True) -> str:
        """Run podman and return what it printed."""
        return _told(self._podman.run("--tmpdir", str(self._folder / "libpod"), *words, check=check, limit_s=_LONG_S))

    def runs(self, *words: str) -> bool:
        """Run podman and tell whether it says that all went well."""
        done = self._podman.run("--tmpdir", str(self._folder / "libpod"), *words, check=False, limit_s=_LONG_S)
        return done.returncode == 0

    def buildah(self, *words: str, check: bool = True) -> str:
        """Run buildah and return what it printed."""
        return _told(self._buildah.run(*words, check=check, limit_s=_LONG_S))

    def pull(self, name: str, *options: str) -> str:
        """Pull an image with podman and return its id."""
        return self.podman("pull", "--quiet", "--tls-verify=false", *options, name)

    def push(self, image: str, name: str, *options: str) -> None:
        """Push an image, which may have another name here, with podman."""
        self.podman("push", "--quiet", "--tls-verify=false", *options, image, name)

    def close(self) -> None:
        """Undo the mounts of the storage driver."""
        unmount_under(self._folder)

    def _write_settings(self, *, partial: bool) -> None:
        scratch = self._folder / "tmp"
        scratch.mkdir(parents=True)
        # Images that nobody signed are accepted. There is no option for this that both commands have.
        policy = self._folder / ".config" / "containers" / "policy.json"
        policy.parent.mkdir(parents=True)
        policy.write_bytes((cache() / "policy.json").read_bytes())
        helpers = [str(cache() / "debian" / "usr" / "lib" / "podman"), "/usr/lib/podman", "/usr/libexec/podman"]
        (self._folder / "containers.conf").write_text(
            # Locks in shared memory would be shared with the machine's own podman.
            '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nlock_type = "file"\n'
            f'helper_binaries_dir = {helpers}\nimage_copy_tmp_dir = "{scratch}"\n'
            f'[network]\nnetwork_config_dir = "{self._folder}/networks"\n',
            "utf-8",
        )
        (self._folder / "storage.conf").write_text(
            f'[storage]\ndriver = "{self._driver}"\ngraphroot = "{self._folder}/root"\nrunroot = "{self._folder}/run"\n'
            f'[storage.options]\npull_options = {{enable_partial_images = "{str(partial).lower()}"}}\n',
            "utf-8",
        )
        (self._folder / "registries.conf").write_text("", "utf-8")
        (self._folder / "auth.json").write_text("{}", "utf-8")


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout.strip() if not done.returncode else done.stdout + done.stderr
