"""The image of packaging/container and the compose file, built and run by the commands of our pages on a real daemon.

The daemon can pull nothing, so all bases are put together from Debian's packages. It makes no network, and its containers share
the host's; for the compose file another one takes its place, which makes networks and stands in one of its own. The tests of
that come last.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from support import bases, composed
from support.composed import Composed
from support.daemons import DockerDaemon, docker
from support.http import Client
from support.instance import Instance
from support.pages import Page
from support.processes import free_port
from support.tools import PROJECT, Program, program
from support.wire import Repository

_PAGE: Final = Page("install.md")
_CLUSTER: Final = Page("cluster.md")
_COMPOSE: Final = PROJECT / "packaging" / "compose"
_SERVICES: Final = ("nginx", "postgres", "s3", "valkey")
_HEALTH: Final = PROJECT / "packaging" / "container" / "health.py"
_ALPINE: Final = PROJECT / "tests" / "vectors" / "alpine-310.tar.gz"
_LIMIT_S: Final = 120.0


@pytest.fixture(scope="module")
def daemon() -> Iterator[DockerDaemon]:
    """A docker daemon of our own, on the host's network."""
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        started = DockerDaemon(Path(folder))
        yield started
        started.stop()


@pytest.fixture(scope="module")
def command(daemon: DockerDaemon) -> Program:
    """The docker command on that daemon, or on the one that takes its place; in the project's folder."""
    (daemon.folder / "settings").mkdir()
    return docker(daemon, program("docker"), daemon.folder / "settings").with_own({}, PROJECT)


@pytest.fixture(scope="module")
def base(command: Program, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Debian with Python, on which pip reaches the package index as it does here."""
    return bases.with_the_machines_trust(command, bases.load(command, "python"), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def image(command: Program, base: str) -> str:
    """The image as the page builds it, but for the base and the network."""
    building, _ = typed("In a container", 0)
    words = shlex.split(building)
    assert words[:2] == ["docker", "build"]
    bases.build(command, "build", *bases.arguments(base), *words[2:])
    return words[words.index("--tag") + 1]


def typed(section: str, number: int) -> list[str]:
    """Return the commands of a block of the page, each in one line."""
    return _PAGE.blocks(section)[number].replace("\\\n", " ").splitlines()


class Container:
    """A container that was started by the page's command, with these settings too; `words` follow the image's name."""

    def __init__(self, command: Program, *words: str, **settings: object) -> None:
        self._command = command
        self.port = free_port()
        _, running = typed("In a container", 0)
        given = {"listen": f"127.0.0.1:{self.port}", "shutdown_delay": 0, **settings}
        variables = [word for name, value in given.items() for word in ("--env", f"ENTREPOT_{name.upper()}={value}")]
        options = shlex.split(running)[1:]
        published = options.index("--publish")
        options[published : published + 2] = ["--network", "host", "--health-interval", "1s"]
        self.said = command.run(*options[:-1], *variables, options[-1], *words).stdout

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the container's state is as wanted, and return it."""
        end = time.monotonic() + _LIMIT_S
        state: dict[str, Any]
        while not holds(state := self.inspect()["State"]):
            assert time.monotonic() < end, f"{state}\n{self.log()}"
            time.sleep(0.1)
        return state

    def client(self) -> Client:
        """Return an HTTP client, once the image's own health check says that the server answers."""
        self.until(lambda state: bool(state["Health"]["Status"] == "healthy"))
        return Client(f"http://127.0.0.1:{self.port}")

    def inspect(self) -> dict[str, Any]:
        """Return all that the daemon knows of it."""
        found: dict[str, Any] = json.loads(self._command.run("inspect", "entrepot").stdout)[0]
        return found

    def log(self) -> str:
        """Return what it has printed."""
        done = self._command.run("logs", "entrepot")
        return done.stdout + done.stderr

    def execute(self, *words: str, check: bool = True) -> str:
        """Run a command in it."""
        done = self._command.run("exec", "entrepot", *words, check=check)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Stop it and return its exit code."""
        self._command.run("stop", "entrepot")
        return int(self.inspect()["State"]["ExitCode"])


@pytest.fixture
def start(command: Program, image: str) -> Iterator[Callable[..., Container]]:
    """Start a container by the page's command; a second one takes the place of the first, with its volume."""
    assert image == "entrepot"

    def begin(*words: str, **settings: object) -> Container:
        command.run("rm", "--force", "entrepot", check=False)
        return Container(command, *words, **settings)

    yield begin
    command.run("rm", "--force", "entrepot", check=False)
    command.run("volume", "rm", "--force", "entrepot")


def test_what_docker_pushes_is_there_in_the_next_container_on_the_same_volume(
    command: Program, start: Callable[..., Container]
) -> None:
    first = start()
    client = first.client()
    name = f"localhost:{first.port}/team/app:v1"
    command.run("load", "--input", str(_ALPINE))
    command.run("tag", "alpine:3.10", name)
    (signing_in,) = typed("In a container", 1)
    password = first.execute(*shlex.split(signing_in.partition(" | ")[0])[3:])
    command.run("login", "--username", "admin", "--password", password.strip(), f"localhost:{first.port}")
    pushed = re.search(r"digest: (sha256:[0-9a-f]{64})", command.run("push", name).stdout)
    assert pushed is not None
    assert first.stop() == 0
    command.run("rmi", name)
    second = start()
    assert second.client().get("/v2/team/app/manifests/v1").headers["docker-content-digest"] == pushed[1]
    name = name.replace(str(first.port), str(second.port))
    assert pushed[1] in command.run("pull", name).stdout
    command.run("rmi", name)
    with pytest.raises(OSError, match="refused"):
        client.get("/v2/")


def test_it_runs_as_its_own_user_with_nothing_that_it_does_not_need_and_its_doctor_is_content(
    command: Program, start: Callable[..., Container]
) -> None:
    container = start()
    container.client()
    status = dict(line.split(":\t") for line in container.execute("cat", "/proc/1/status").splitlines() if ":\t" in line)
    assert status["Uid"].split() == status["Gid"].split() == ["10001"] * 4
    assert (int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, "1")
    assert "Read-only file system" in container.execute("touch", "/opt/entrepot/file", check=False)
    assert container.execute("stat", "--format=%U %a", "/data").strip() == "entrepot 700"
    assert "No module named pip" in container.execute("/opt/entrepot/bin/python", "-m", "pip", check=False)
    described = container.inspect()["Config"]
    assert described["Labels"]["org.opencontainers.image.title"] == "Entrepot"
    assert set(described["ExposedPorts"]) == {"5000/tcp"}
    (asking,) = typed("In a container", 2)
    told = command.run(*shlex.split(asking)[1:]).stdout
    assert "/data is for entrepot alone" in told
    assert not re.search(r"^error ", told, re.MULTILINE), told


def test_that_everyone_may_reach_it_has_to_be_said(start: Callable[..., Container]) -> None:
    container = start(listen=f"0.0.0.0:{free_port()}", access="open")
    container.until(lambda state: int(state["ExitCode"]) == 2)
    assert "add --open-to-network true if you mean it" in container.log()


def test_it_also_runs_background_jobs_alone(start: Callable[..., Container]) -> None:
    worker = start("worker")

    def heeds_a_stop(_: dict[str, Any]) -> bool:
        told = worker.execute("sh", "-c", "cat /proc/[0-9]*/status", check=False)
        masks = re.findall(r"^Name:\tentrepot\n(?:.*\n)*?SigCgt:\t(\w+)", told, re.MULTILINE)
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

    worker.until(heeds_a_stop)
    assert "serve" not in worker.execute("cat", "/proc/1/cmdline")
    assert worker.stop() == 0


def test_a_base_without_what_it_needs_is_told_so(command: Program, base: str, tmp_path: Path) -> None:
    lacking = bases.make(command, tmp_path, f"FROM {base}\nRUN rm -r /usr/lib/python3*/ensurepip", "python:lacking")
    build = ["build", *bases.arguments(lacking), "--file", "packaging/container/Dockerfile", "."]
    done = bases.build(command, *build, check=False)
    assert done.returncode != 0
    assert "BASE must have Python 3.11 or newer with its module venv" in done.stdout + done.stderr


def asked(**settings: object) -> subprocess.CompletedProcess[str]:
    """Run the health check with these settings."""
    variables = {f"ENTREPOT_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-I", "-S", str(_HEALTH)]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tls", ["", "self-signed"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - asked, not listened on
def test_the_health_check_asks_a_server_that_answers(serve: Callable[..., Instance], tls: str, host: str) -> None:
    instance = serve(tls=tls)
    done = asked(listen=f"{host}:{instance.port}", tls=tls)
    assert (done.returncode, done.stdout) == (0, f"127.0.0.1:{instance.port} answers 200\n")
    Repository(instance.client(), "team/app").image("v1")


@pytest.mark.fast
def test_the_health_check_says_that_nothing_answers() -> None:
    done = asked(listen=f"[::1]:{free_port()}")
    assert (done.returncode, "does not answer" in done.stdout) == (1, True)


def test_the_balancer_of_the_compose_file_is_that_of_the_page() -> None:
    (of_the_page,) = _CLUSTER.blocks("A balancer", "nginx")
    own = (_COMPOSE / "nginx.conf").read_text("utf-8").partition("\n")[2]
    for here, there in (
        ("node-1:5000", "127.0.0.1:5001"),
        ("node-2:5000", "127.0.0.1:5002"),
        ("listen 5000", "listen 127.0.0.1:5000"),
    ):
        assert here in own
        own = own.replace(here, there)
    assert own == of_the_page


@pytest.fixture(scope="module")
def cluster(daemon: DockerDaemon, command: Program, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """The compose file, started by the page's commands; its images are ours."""
    folder = tmp_path_factory.mktemp("compose")
    (daemon.folder / "settings" / "cli-plugins").mkdir()
    (daemon.folder / "settings" / "cli-plugins" / "docker-compose").symlink_to(program("docker-compose").path)
    names = composed.make_images(command, folder / "images", _SERVICES)
    daemon.stop()
    networked = DockerDaemon(daemon.folder, networks=True)
    shutil.copytree(_COMPOSE, folder / "packaging" / "compose", ignore=shutil.ignore_patterns("secrets"))
    started = Composed(command, folder, {"ENTREPOT_IMAGE": image, **names})
    try:
        started.follow(_CLUSTER.blocks("With containers")[0])
        yield started
    finally:
        started.compose("down", "--volumes", "--timeout", "10", check=False)
        networked.stop()


def test_two_nodes_are_started_a_push_survives_the_death_of_one_and_it_comes_back(cluster: Composed) -> None:
    cluster.command.run("load", "--input", str(_ALPINE))
    cluster.command.run("tag", "alpine:3.10", "alpine:latest")
    before = cluster.image_id("alpine:latest")
    told = cluster.follow(_CLUSTER.blocks("With containers")[1])
    assert "Downloaded newer image" in told
    assert cluster.image_id("localhost:5000/team/app:v1") == before
    assert {name: state for name, state in cluster.states().items() if state != "running"} == {}


def test_each_container_has_only_its_own_secrets_and_only_the_balancer_is_published(cluster: Composed) -> None:
    seen = {name: set(cluster.inside(name, "sh", "-c", "ls /run/secrets 2>/dev/null; true").split()) for name in cluster.states()}
    node = {"database.url", "secret.key", "s3.credentials", "admin.password"}
    assert seen == {
        "balancer": set(),
        "node-1": node,
        "node-2": node,
        "postgres": {"postgres.password"},
        "s3": {"s3.json"},
        "valkey": set(),
    }
    assert cluster.published() == {"balancer": ["127.0.0.1:5000"]}
    secrets = [
        (cluster.folder / "secrets" / name).read_text("utf-8").strip()
        for name in ("postgres.password", "secret.key", "admin.password")
    ]
    assert not [secret for secret in secrets if secret in cluster.described()]


def test_the_doctor_finds_nothing_wrong_in_a_node_and_a_node_keeps_no_blob(cluster: Composed) -> None:
    # The public address is the balancer's, which is at another place when seen from a node.
    told = cluster.inside("node-2", "entrepot", "doctor", "--public-url", "")
    assert re.search(r"^ok +database +PostgreSQL", told, re.MULTILINE)
    assert not re.search(r"^(error|warning) ", told, re.MULTILINE), told
    assert "/data/blobs/" not in cluster.inside("node-2", "find", "/data", "-type", "f")


@pytest.mark.long
def test_the_volumes_hold_everything(cluster: Composed) -> None:
    cluster.compose("down", "--timeout", "20")
    cluster.compose("up", "--detach", "--wait")
    cluster.command.run("rmi", "--force", "localhost:5000/team/app:v1", check=False)
    assert "localhost:5000/team/app:v1" in cluster.command.run("pull", "localhost:5000/team/app:v1").stdout
