"""Real clients refuse the registry's own authority, run the commands that `entrepot tls` shows, and then trust it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.apart import Apart
from support.certificates import served_serial
from support.clients import Ctr, Skopeo
from support.commands import run
from support.containers import Containers
from support.daemons import Containerd, DockerDaemon, docker, native_snapshots
from support.instance import surroundings
from support.processes import Server, free_port
from support.tools import program

UNKNOWN = "certificate signed by unknown authority"


class Registry:
    """Entrepot with an authority of its own, served where loopback's exceptions do not hold."""

    def __init__(self, apart: Apart, folder: Path) -> None:
        self.port = free_port()
        self.host = f"{apart.name}:{self.port}"
        self.data = folder / "data"
        self.words = ["--data", str(self.data), "--tls", "self-signed", "--public-url", f"https://{self.host}"]
        listen = ["--listen", f"0.0.0.0:{self.port}", "--open-to-network", "true", "--workers", "1"]
        command = [sys.executable, "-m", "entrepot", "serve", *self.words, *listen]
        self.log = folder / "data.log"
        self.server = Server(command, log=self.log, environment=surroundings())
        self.server.wait_until(self._answers, 30)

    def steps(self, client: str) -> list[str]:
        """Return the commands for one kind of client, as they are shown."""
        told: dict[str, Any] = json.loads(run("tls", "--json", *self.words).stdout)
        return next(list(step["commands"]) for step in told["trust"] if step["client"] == client)

    def _answers(self) -> bool:
        try:
            return bool(served_serial(self.port))
        except OSError:
            return False


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    apart = Apart()
    yield apart
    apart.end()


@pytest.fixture(scope="module")
def registry(apart: Apart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = apart.do(lambda: Registry(apart, tmp_path_factory.mktemp("trusting")))
    yield registry
    apart.do(lambda: registry.server.stop(30))


def refused_then_trusted(apart: Apart, registry: Registry, client: str, act: Callable[[], str], refusal: str = UNKNOWN) -> str:
    """Let a client act before and after the commands for it were run; return what it said then."""
    apart.shell(["rm -rf /etc/docker/certs.d /etc/containers/certs.d /etc/containerd/certs.d"])  # skopeo reads Docker's too
    assert refusal in apart.do(act)
    apart.shell(registry.steps(client))
    said = apart.do(act)
    assert refusal not in said
    return said


def test_docker_trusts_and_pushes(apart: Apart, registry: Registry, short_folder: Path, alpine: Path) -> None:
    daemon = apart.do(lambda: DockerDaemon(short_folder))
    command = docker(daemon, program("docker"), short_folder)
    name = f"{registry.host}/by/docker:3.10"

    def push() -> str:
        done = command.run("push", name, check=False)
        return done.stdout + done.stderr

    apart.do(lambda: command.run("load", "--input", str(alpine)))
    apart.do(lambda: command.run("tag", "alpine:3.10", name))
    assert "digest: sha256:" in refused_then_trusted(apart, registry, "Docker", push)
    apart.do(lambda: command.run("pull", name))
    apart.do(daemon.stop)


def test_skopeo_and_podman_trust_and_pull(apart: Apart, registry: Registry, short_folder: Path, layout: Path) -> None:
    skopeo, containers = Skopeo(), Containers(short_folder)
    target = f"docker://{registry.host}/by/skopeo:v1"
    client = "podman, skopeo, buildah"
    refused_then_trusted(apart, registry, client, lambda: skopeo.run("copy", f"oci:{layout}:single", target, check=False))
    assert json.loads(apart.do(lambda: skopeo.run("inspect", target)))["Name"] == f"{registry.host}/by/skopeo"
    assert len(apart.do(lambda: containers.podman("pull", "--quiet", f"{registry.host}/by/skopeo:v1"))) == 64
    apart.do(containers.close)


def test_containerd_trusts_and_pushes(apart: Apart, registry: Registry, tmp_path: Path, layout: Path) -> None:
    name = f"{registry.host}/by/ctr"
    archive = tmp_path / "layout.tar"
    subprocess.run(["tar", "-C", str(layout), "-cf", str(archive), "."], check=True)
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        containerd = apart.do(lambda: Containerd(Path(folder)))
        ctr = Ctr(containerd, native_snapshots(tmp_path))
        apart.do(lambda: ctr.bring(archive, name))
        words = ("images", "push", "--hosts-dir", "/etc/containerd/certs.d", f"{name}:single")
        refused_then_trusted(apart, registry, "containerd", lambda: ctr.run(*words, check=False))
        apart.do(lambda: ctr.run(*words))
        apart.do(containerd.stop)


def test_all_that_ask_the_system_trust_it(apart: Apart, registry: Registry, tmp_path: Path) -> None:
    """curl, crane and oras, and the doctor's own upload, which trusts the authority without any command."""

    def curl() -> str:
        command = ["curl", "--silent", "--show-error", f"https://{registry.host}/readyz"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return done.stdout + done.stderr

    doctor = apart.do(lambda: run("doctor", "--json", *registry.words))
    assert {each["verdict"] for each in json.loads(doctor.stdout) if each["check"] in ("public URL", "certificate")} == {"ok"}
    assert "\nwarning" not in refused_then_trusted(
        apart, registry, "everything on Debian or Ubuntu", curl, "unable to get local issuer certificate"
    )
    images_tool = program("crane").with_own({"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)})
    (tmp_path / "file.txt").write_text("by oras", "ascii")
    oras = program("oras").with_own({"DOCKER_CONFIG": str(tmp_path)}, tmp_path)
    apart.do(lambda: oras.run("push", f"{registry.host}/by/oras:v1", "file.txt"))
    assert apart.do(lambda: images_tool.run("ls", f"{registry.host}/by/oras")).stdout.split() == ["v1"]


def test_the_start_shows_the_commands_and_the_fingerprint(registry: Registry) -> None:
    log = registry.log.read_text("utf-8")
    shown = run("tls", *registry.words).stdout
    assert shown.strip() in log
    fingerprint = subprocess.check_output(
        ["openssl", "x509", "-noout", "-sha256", "-fingerprint", "-in", registry.data / "tls" / "ca.crt"]
    )
    assert fingerprint.decode().strip().partition("=")[2].replace(":", "").lower() in shown
    for command in registry.steps("Docker") + registry.steps("everything on Fedora or RHEL"):
        assert f"    {command}\n" in log
