"""Docker's daemon, containerd and BuildKit's, each an own one in a temporary folder.

None makes a network for its containers, but for a docker daemon that is asked to: that one is in a network of its own itself.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from support.processes import Server
from support.tools import Program, missing, program

_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 60.0


class DockerDaemon:
    """A `dockerd` of our own; it begins with no image, and its storage driver is whatever works on this machine.

    With `networks` it makes networks for its containers. It stands in one of its own then, so that neither this machine's is
    changed nor a port of it taken, and reaches nothing outside.
    """

    def __init__(self, folder: Path, *, networks: bool = False) -> None:
        _need_root("dockerd")
        dockerd = program("dockerd")
        # A socket's path may have 107 bytes, which pytest's folders soon exceed.
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        apart = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh") if networks else ()
        places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "docker.pid"}
        command = [*apart, str(dockerd.path), *(f"{option}={folder / name}" for option, name in places.items())]
        command += ["--host", self.address, "--bridge=none", "--ip6tables=false", f"--iptables={str(networks).lower()}"]
        environment = dockerd.surroundings(DOCKER_RAMDISK="", TMPDIR=str(folder))
        environment |= _packet_filter(folder, environment["PATH"]) if networks else {}
        self._server = Server(command, log=folder / "dockerd.log", environment=environment)
        self._server.wait_until(self._answers, _START_LIMIT_S)

    def stop(self) -> None:
        """Stop it and the containerd that it started, and undo its mounts."""
        self._server.stop(_STOP_LIMIT_S)
        unmount_under(self.folder)

    def log_end(self) -> str:
        """Return the last lines of its log."""
        return self._server.log_end()

    def _answers(self) -> bool:
        return not program("docker").run("--host", self.address, "version", check=False).returncode


class Containerd:
    """A containerd of our own for `ctr`."""

    def __init__(self, folder: Path) -> None:
        _need_root("containerd")
        containerd = program("containerd")
        self.folder = folder
        self.address = str(folder / "containerd.sock")
        (folder / "config.toml").write_text(_containerd_settings(folder), "utf-8")
        command = [str(containerd.path), "--config", str(folder / "config.toml"), "--log-level", "info"]
        self._server = Server(command, log=folder / "containerd.log", environment=containerd.surroundings(TMPDIR=str(folder)))
        self._server.wait_until(self._answers, _START_LIMIT_S)

    def stop(self) -> None:
        """Stop it and undo its mounts."""
        self._server.stop(_STOP_LIMIT_S)
        unmount_under(self.folder)

    def log_end(self) -> str:
        """Return the last lines of its log."""
        return self._server.log_end()

    def _answers(self) -> bool:
        return not program("ctr").run("--address", self.address, "version", check=False).returncode


class BuildKit:
    """A `buildkitd` of our own, and `buildctl` on it. It builds from nothing and runs no step of a Dockerfile."""

    def __init__(self, folder: Path) -> None:
        _need_root("buildkitd")
        buildkitd, runc = program("buildkitd"), program("runc")
        self.folder = folder
        self.address = f"unix://{folder}/buildkitd.sock"
        self._buildctl = program("buildctl")
        (folder / "buildkitd.toml").write_text(_buildkit_settings(runc.path), "utf-8")
        command = [str(buildkitd.path), "--config", str(folder / "buildkitd.toml"), "--addr", self.address]
        command += ["--root", str(folder / "root"), "--otel-socket-path", str(folder / "otel.sock")]
        environment = runc.surroundings(TMPDIR=str(folder), HOME=str(folder))
        self._server = Server(command, log=folder / "buildkitd.log", environment=environment)
        self._server.wait_until(self._answers, _START_LIMIT_S)

    def build(self, context: Path, output: str, *options: str) -> str:
        """Build the Dockerfile of a folder, export it and return what was said of each step."""
        return self.run(
            "build",
            "--frontend=dockerfile.v0",
            f"--local=context={context}",
            f"--local=dockerfile={context}",
            f"--output={output}",
            *options,
        )

    def run(self, *words: str) -> str:
        """Run one command of buildctl and return what it printed."""
        done = self._buildctl.run("--addr", self.address, *words, HOME=str(self.folder), DOCKER_CONFIG=str(self.folder))
        return done.stdout + done.stderr

    def forget(self) -> None:
        """Remove everything it built, so that the next build must fetch what it does not make."""
        self.run("prune", "--all")

    def stop(self) -> None:
        """Stop it and undo its mounts."""
        self._server.stop(_STOP_LIMIT_S)
        unmount_under(self.folder)

    def _answers(self) -> bool:
        return not self._buildctl.run("--addr", self.address, "debug", "workers", check=False).returncode


def native_snapshots(folder: Path) -> str:
    """Return the snapshotter that works in this folder: overlayfs, else plain copies."""
    lower, upper, work, merged = (folder / name for name in ("lower", "upper", "work", "merged"))
    for each in (lower, upper, work, merged):
        each.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], capture_output=True, check=False)
    if done.returncode:
        return "native"
    subprocess.run(["umount", str(merged)], check=True)
    return "overlayfs"


def docker(daemon: DockerDaemon, command: Program, settings: Path) -> Program:
    """Return a docker command that speaks with our daemon and knows nothing of the user's settings."""
    return Program(
        command.name, command.path, {**command.environment, "DOCKER_HOST": daemon.address, "DOCKER_CONFIG": str(settings)}
    )


def unmount_under(folder: Path) -> None:
    """Undo all mounts in a folder, the innermost first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


def _containerd_settings(folder: Path) -> str:
    # The part for Kubernetes wants a network; ctr does not need it.
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{folder}/containerd.sock"
[ttrpc]
address = "{folder}/containerd.sock.ttrpc"
"""


def _buildkit_settings(runc: Path) -> str:
    return f"""[worker.oci]
enabled = true
binary = "{runc}"
snapshotter = "native"
networkMode = "host"
[worker.containerd]
enabled = false
[cdi]
disabled = true
[history]
maxEntries = 0
"""


def _packet_filter(folder: Path, path: str) -> dict[str, str]:
    """Return what makes `iptables` found: what was only unpacked has neither that name nor its parts where it looks for them."""
    if shutil.which("iptables", path=path):
        return {}
    real = shutil.which("xtables-nft-multi", path=path)
    if real is None:
        missing("iptables is not there: run python3 -m tools.testbed install")
    links = folder / "iptables"
    links.mkdir(exist_ok=True)
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(real)
    parts = next(Path(real).parents[2].glob("usr/lib/*-linux-gnu/xtables"))
    return {"PATH": f"{links}:{path}", "XTABLES_LIBDIR": str(parts)}


def _need_root(name: str) -> None:
    if os.geteuid() != 0:
        missing(f"{name} runs as root only")
    if shutil.which("mount") is None:
        missing("mount is not there")
