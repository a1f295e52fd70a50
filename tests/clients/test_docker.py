"""Docker with a real daemon: what `docker push` and `docker pull` promise their users."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.daemons import DockerDaemon, docker
from support.http import Client
from support.instance import Instance
from support.tools import Program, newer_docker, program

COMMANDS: dict[str, Callable[[], Program]] = {"debian": lambda: program("docker"), "newer": newer_docker}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest, docker_daemon: DockerDaemon, tmp_path: Path) -> Program:
    """Each docker command that this machine has, on the same daemon."""
    return docker(docker_daemon, COMMANDS[request.param](), tmp_path)


def inspect(command: Program, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command.run("image", "inspect", image).stdout)[0]
    return found


def load_alpine(command: Program, archive: Path, name: str) -> str:
    """Load Alpine, give it this name alone and return its image id."""
    command.run("load", "--input", str(archive))
    command.run("tag", "alpine:3.10", name)
    command.run("rmi", "alpine:3.10")
    return str(inspect(command, name)["Id"])


def forget_all(command: Program) -> None:
    """Leave the daemon without any image, so that a pull must bring every byte."""
    for image in set(command.run("images", "--quiet", "--all").stdout.split()):
        command.run("rmi", "--force", image, check=False)
    assert not command.run("images", "--quiet", "--all").stdout


def digest_of(client: Client, repository: str, reference: str) -> str:
    answer = client.head(f"/v2/{repository}/manifests/{reference}", headers={"Accept": "*/*"})
    assert answer.status == 200
    return answer.headers["Docker-Content-Digest"]


@pytest.mark.cluster
def test_a_pushed_image_is_pulled_back_by_tag_with_the_same_id(
    command: Program, hub: Instance, client: Client, repository: str, alpine: Path
) -> None:
    name = f"{hub.host}/{repository}:3.10"
    pushed = load_alpine(command, alpine, name)
    told = command.run("push", name).stdout
    forget_all(command)
    command.run("pull", name)
    assert inspect(command, name)["Id"] == pushed
    assert digest_of(client, repository, "3.10") in told


def test_a_pushed_image_is_pulled_by_digest(
    command: Program, hub: Instance, client: Client, repository: str, alpine: Path
) -> None:
    name = f"{hub.host}/{repository}:v1"
    pushed = load_alpine(command, alpine, name)
    command.run("push", name)
    forget_all(command)
    pinned = f"{hub.host}/{repository}@{digest_of(client, repository, 'v1')}"
    command.run("pull", pinned)
    assert inspect(command, pinned)["Id"] == pushed


def test_a_second_tag_of_an_image_has_the_same_digest(
    command: Program, hub: Instance, client: Client, repository: str, alpine: Path
) -> None:
    first, second = (f"{hub.host}/{repository}:{tag}" for tag in ("v1", "stable"))
    load_alpine(command, alpine, first)
    command.run("push", first)
    command.run("tag", first, second)
    told = command.run("push", second).stdout
    assert "Layer already exists" in told
    assert digest_of(client, repository, "stable") == digest_of(client, repository, "v1")


def test_all_tags_of_a_repository_are_pushed_and_pulled_at_once(
    debian_docker: Program, hub: Instance, client: Client, repository: str
) -> None:
    for number in (1, 2, 3):
        image = images.simple_image(200 + number)
        images.push(client, repository, image, f"v{number}")
    debian_docker.run("pull", "--all-tags", f"{hub.host}/{repository}")
    debian_docker.run("tag", f"{hub.host}/{repository}:v1", f"{hub.host}/{repository}-copy:v1")
    debian_docker.run("tag", f"{hub.host}/{repository}:v2", f"{hub.host}/{repository}-copy:v2")
    debian_docker.run("push", "--all-tags", f"{hub.host}/{repository}-copy")
    assert client.get(f"/v2/{repository}-copy/tags/list").json["tags"] == ["v1", "v2"]


def test_layers_are_mounted_when_an_image_goes_to_a_second_repository(
    debian_docker: Program, hub: Instance, repository: str, alpine: Path
) -> None:
    first, second = f"{hub.host}/{repository}:v1", f"{hub.host}/{repository}-copy:v1"
    pushed = load_alpine(debian_docker, alpine, first)
    debian_docker.run("push", first)
    debian_docker.run("tag", first, second)
    told = debian_docker.run("push", second).stdout
    assert f"Mounted from {repository}" in told
    forget_all(debian_docker)
    debian_docker.run("pull", second)
    assert inspect(debian_docker, second)["Id"] == pushed


def test_a_name_of_one_segment_is_the_same_repository_under_library(
    debian_docker: Program, hub: Instance, client: Client, alpine: Path
) -> None:
    name = f"{hub.host}/hello:latest"
    pushed = load_alpine(debian_docker, alpine, name)
    debian_docker.run("push", name)
    forget_all(debian_docker)
    debian_docker.run("pull", f"{hub.host}/hello")
    debian_docker.run("pull", f"{hub.host}/library/hello")
    assert inspect(debian_docker, name)["Id"] == inspect(debian_docker, f"{hub.host}/library/hello:latest")["Id"] == pushed
    assert digest_of(client, "hello", "latest") == digest_of(client, "library/hello", "latest")


@pytest.mark.parametrize("kind", ["oci-index", "manifest-list"])
@pytest.mark.parametrize("place", range(len(images.PLATFORMS)), ids=images.PLATFORMS)
def test_the_image_for_the_platform_asked_for_is_pulled(
    debian_docker: Program, hub: Instance, client: Client, repository: str, place: int, kind: str
) -> None:
    index = images.multi_platform(31, docker=kind == "manifest-list")
    images.push(client, repository, index, "multi")
    forget_all(debian_docker)
    debian_docker.run("pull", "--platform", images.PLATFORMS[place], f"{hub.host}/{repository}:multi")
    assert inspect(debian_docker, f"{hub.host}/{repository}:multi")["Id"] == index.images[place].config.digest


def test_an_image_of_many_layers_survives_the_way_there_and_back(
    debian_docker: Program, hub: Instance, repository: str, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:layers"
    image = images.simple_image(41, layers=20)
    debian_docker.run("load", "--input", str(images.write_docker_archive(tmp_path / "image.tar", image, name)))
    debian_docker.run("push", name)
    forget_all(debian_docker)
    debian_docker.run("pull", name)
    assert inspect(debian_docker, name)["RootFS"]["Layers"] == [layer.diff_id for layer in image.layers]


def test_a_big_layer_survives_the_way_there_and_back(
    debian_docker: Program, hub: Instance, repository: str, big_image: images.Image, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:big"
    archive = images.write_docker_archive(tmp_path / "image.tar", big_image, name)
    debian_docker.run("load", "--input", str(archive), limit_s=600)
    debian_docker.run("push", name, limit_s=600)
    forget_all(debian_docker)
    debian_docker.run("pull", name, limit_s=600)
    assert inspect(debian_docker, name)["RootFS"]["Layers"] == [layer.diff_id for layer in big_image.layers]


def test_pulling_a_tag_that_is_not_there_says_so(debian_docker: Program, hub: Instance, repository: str) -> None:
    done = debian_docker.run("pull", f"{hub.host}/{repository}:nothing", check=False)
    assert done.returncode
    assert "not found" in done.stderr or "unknown" in done.stderr


def test_an_image_whose_tag_was_deleted_can_be_pushed_again(
    debian_docker: Program, hub: Instance, client: Client, repository: str, alpine: Path
) -> None:
    name = f"{hub.host}/{repository}:v1"
    load_alpine(debian_docker, alpine, name)
    debian_docker.run("push", name)
    digest = digest_of(client, repository, "v1")
    assert client.delete(f"/v2/{repository}/manifests/{digest}").status == 202
    debian_docker.run("push", name)
    assert digest_of(client, repository, "v1") == digest
