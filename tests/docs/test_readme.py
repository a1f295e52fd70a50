"""The README's tour followed word for word: a docker daemon of our own, the page's commands, another port and folder."""

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tools.run.environment import place_command

from support.containers import Containers
from support.daemons import DockerDaemon, docker
from support.instance import Instance, as_people_have
from support.pages import Page
from support.tools import PROJECT, Program, program

_PAGE: Final = Page("../README.md")
_ALPINE: Final = PROJECT / "tests" / "vectors" / "alpine-310.tar.gz"
_FETCHED: Final = "docker pull hello-world\n"  # from elsewhere, which tests reach not: an image of this name is there
_LIMIT_S: Final = 240.0


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who types what the page says."""

    folder: Path
    docker: Program
    port: int

    def types(self, commands: str, others: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run commands of the page in a shell in the project's folder, with Docker's environment or another one."""
        own = others or self.docker.surroundings(HOME=str(self.folder))
        environment = as_people_have(**own) | {"PATH": f"{self.docker.path.parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace("localhost:5000", f"localhost:{self.port}")],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """What `make run` starts: nothing is set but the data folder and the port."""
    with Instance(tmp_path_factory.mktemp("readme") / "data", environment=as_people_have()) as started:
        yield started


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """A reader with Docker and the environment that `make run` has made, who has pushed the first image."""
    folder = instance.data.parent
    (folder / ".venv" / "bin").mkdir(parents=True)
    place_command(folder / ".venv" / "bin", Path(sys.executable))
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as short:
        daemon = DockerDaemon(Path(short))
        try:
            command = docker(daemon, program("docker"), folder)
            command.run("load", "--input", str(_ALPINE))
            command.run("tag", "alpine:3.10", "hello-world")
            here = Reader(folder, command, instance.port)
            (looking,) = _PAGE.blocks("Look around")
            looked = here.types(looking)
            assert looked.returncode == 0, looked.stdout + looked.stderr
            assert "26 images were made" in looked.stdout
            assert "equipe-donnees/postgres-backup" in looked.stdout, "docker search finds what was made"
            (pushing,) = _PAGE.blocks("Push and pull")
            assert _FETCHED in pushing
            pushed = here.types(pushing.replace(_FETCHED, ""))
            assert pushed.returncode == 0, pushed.stdout + pushed.stderr
            yield here
        finally:
            daemon.stop()


def test_the_tour_of_the_readme_goes_as_it_says(reader: Reader) -> None:
    users, ann, bob, eve = _PAGE.blocks("Users, teams and a private image")
    followed = reader.types(f"{users}\n{ann}\n{bob}")
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert "Downloaded newer image for" in followed.stdout
    signing_in, pull = eve.splitlines()
    refused = reader.types(f"{signing_in}\necho in\n{pull}")
    assert (refused.returncode, "in\n" in refused.stdout) == (1, True), refused.stderr
    absent = reader.types(pull.replace("acme/app", "acme/none"))
    assert refused.stderr.splitlines()[-1] == absent.stderr.splitlines()[-1].replace("acme/none", "acme/app")


def test_other_clients_sign_in_push_and_pull_as_it_says(reader: Reader) -> None:
    podman, skopeo, helm, oras = _PAGE.blocks("Other clients")
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as short:
        containers = Containers(Path(short))
        try:
            saved = Path(short) / "alpine.tar"
            saved.write_bytes(gzip.decompress(_ALPINE.read_bytes()))
            containers.podman("load", "--quiet", "--input", str(saved))
            containers.podman("tag", "alpine:3.10", "hello-world")
            reached = ":".join(str(program(name).path.parent) for name in ("skopeo", "helm", "oras"))
            chart = reader.folder / "mychart"
            (chart / "templates").mkdir(parents=True)
            (chart / "Chart.yaml").write_text("apiVersion: v2\nname: mychart\nversion: 0.1.0\n", "utf-8")
            for name in ("notes.txt", "review.txt"):
                (reader.folder / name).write_text(name, "utf-8")
            commands = f"{containers.shell}{podman}\n{skopeo}\nhelm package mychart\n{helm}\n{oras}"
            followed = reader.types(f'PATH="{reached}:$PATH"\n{commands}', containers.surroundings)
            assert followed.returncode == 0, followed.stdout + followed.stderr
            assert '"v2"' in followed.stdout
            assert "Attached" in followed.stdout
        finally:
            containers.close()


def test_the_101st_pull_of_a_stranger_is_refused_with_the_headers_that_clients_know(instance: Instance, reader: Reader) -> None:
    again, pulls = _PAGE.blocks("Limits on pulls")
    (variable, _, value), *words = (word.partition("=") for word in again.split())
    assert [word for word, *_ in words] == ["make", "run"]
    instance.environment[variable] = value
    instance.restart()
    told = reader.types(pulls)
    counts, head = told.stdout.splitlines()[:2], told.stdout.splitlines()[2:]
    assert [line.split() for line in counts] == [["100", "200"], ["1", "429"]], told.stdout + told.stderr
    assert head[0].split()[1] == "429"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1 : head.index("")])}
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("100;w=21600", "0;w=21600")
    assert int(headers["retry-after"]) > 0
    assert "toomanyrequests: You have reached your pull rate limit" in head[-1]
