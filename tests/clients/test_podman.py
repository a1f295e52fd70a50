"""podman: images, lists, and layers of which it pulls only the files that it lacks."""

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.containers import Containers
from support.http import Client
from support.instance import Instance
from support.tap import Tap


def inspect(containers: Containers, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(containers.podman("image", "inspect", name))[0]
    return found


def test_a_pushed_image_is_pulled_back_with_the_same_id(
    containers: Containers, hub: Instance, client: Client, repository: str, alpine_tar: Path
) -> None:
    name = f"{hub.host}/{repository}:3.10"
    containers.podman("load", "--quiet", "--input", str(alpine_tar))
    pushed = inspect(containers, "alpine:3.10")["Id"]
    containers.podman("tag", "alpine:3.10", name)
    containers.push(name, name)
    containers.podman("rmi", "--all", "--force")
    assert containers.pull(name) == pushed
    assert client.head(f"/v2/{repository}/manifests/3.10").headers["Docker-Content-Digest"] == inspect(containers, name)["Digest"]


def test_an_image_is_pulled_by_digest(containers: Containers, hub: Instance, client: Client, repository: str) -> None:
    image = images.simple_image(101)
    digest = images.push(client, repository, image)
    assert containers.pull(f"{hub.host}/{repository}@{digest}") == image.config.digest.removeprefix("sha256:")


@pytest.mark.parametrize("kind", ["oci-index", "manifest-list"])
def test_the_image_for_each_platform_is_pulled(
    containers: Containers, hub: Instance, client: Client, repository: str, kind: str
) -> None:
    index = images.multi_platform(102, docker=kind == "manifest-list")
    images.push(client, repository, index, "multi")
    pulled = [containers.pull(f"{hub.host}/{repository}:multi", "--platform", platform) for platform in images.PLATFORMS]
    assert pulled == [image.config.digest.removeprefix("sha256:") for image in index.images]


@pytest.mark.parametrize(("form", "media_type"), [("oci", images.MANIFEST), ("v2s2", images.DOCKER_MANIFEST)])
def test_an_image_is_stored_in_the_form_it_was_pushed_in(
    containers: Containers, hub: Instance, client: Client, repository: str, form: str, media_type: str
) -> None:
    images.push(client, repository, images.simple_image(103), "v1")
    containers.pull(f"{hub.host}/{repository}:v1")
    containers.push(f"{hub.host}/{repository}:v1", f"{hub.host}/{repository}:v2", "--format", form)
    assert client.get(f"/v2/{repository}/manifests/v2").headers["Content-Type"] == media_type


def test_a_list_of_images_is_made_and_pushed_whole(
    containers: Containers, hub: Instance, client: Client, repository: str, index: images.Index
) -> None:
    name = f"{hub.host}/{repository}"
    images.push(client, repository, index, "multi")
    containers.podman("manifest", "create", "whole")
    containers.podman("manifest", "add", "--all", "--tls-verify=false", "whole", f"docker://{name}:multi")
    containers.podman("manifest", "push", "--all", "--tls-verify=false", "whole", f"docker://{name}-copy:multi")
    pushed = client.get(f"/v2/{repository}-copy/manifests/multi").json["manifests"]
    assert [each["digest"] for each in pushed] == [image.manifest.digest for image in index.images]


def test_an_image_is_copied_to_another_repository(containers: Containers, hub: Instance, client: Client, repository: str) -> None:
    image = images.simple_image(104)
    images.push(client, repository, image, "v1")
    containers.pull(f"{hub.host}/{repository}:v1")
    containers.push(f"{hub.host}/{repository}:v1", f"{hub.host}/{repository}-copy:v1")
    assert client.get(f"/v2/{repository}-copy/manifests/v1").json["config"]["digest"] == image.config.digest


def test_tags_and_repositories_are_listed(containers: Containers, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.simple_image(105), "v1", "v10", "v2")
    told = containers.podman("search", "--tls-verify=false", "--list-tags", "--format", "json", f"{hub.host}/{repository}")
    assert json.loads(told)[0]["Tags"] == ["v1", "v10", "v2"]
    # Names that are written alike are found as well: the whole name first, once search has seen the push.
    for _ in range(20):
        found = containers.podman("search", "--tls-verify=false", "--format", "{{.Name}}", f"{hub.host}/{repository}").split()
        if found[:1] == [f"{hub.host}/{repository}"]:
            break
        time.sleep(0.5)
    assert found[:1] == [f"{hub.host}/{repository}"]


def test_pulling_a_tag_that_is_not_there_says_so(containers: Containers, hub: Instance, repository: str) -> None:
    told = containers.podman("pull", "--tls-verify=false", f"{hub.host}/{repository}:nothing", check=False)
    assert "manifest unknown" in told or "name unknown" in told


def test_a_big_layer_survives_the_way_there_and_back(
    containers: Containers, hub: Instance, repository: str, big_image: images.Image, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:big"
    images.write_layout(tmp_path / "big", {"v1": big_image})
    pushed = containers.podman("pull", "--quiet", f"oci:{tmp_path / 'big'}:v1")
    containers.push(pushed, name)
    containers.podman("rmi", "--all", "--force")
    assert containers.pull(name) == pushed


def test_a_partial_pull_brings_only_the_files_that_are_missing(
    containers: Containers, partial_containers: Containers, hub: Instance, repository: str, tmp_path: Path
) -> None:
    old = {f"file-{number:04}": random.Random(number).randbytes(4_000) for number in range(800)}
    # Every second file is another one, so that no two of those that are missing lie side by side.
    new = {name: content[::-1] if place % 2 else content for place, (name, content) in enumerate(old.items())}
    layout = images.write_layout(
        tmp_path / "both", {tag: images.image([images.layer(f)]) for tag, f in (("old", old), ("new", new))}
    )
    for tag in ("old", "new"):
        pushed = containers.podman("pull", "--quiet", f"oci:{layout}:{tag}")
        containers.push(pushed, f"{hub.host}/{repository}:{tag}", "--compression-format", "zstd:chunked")
    with Tap(hub.port) as tap:
        partial_containers.pull(f"{tap.host}/{repository}:old")
        whole_bytes, before = tap.received_bytes, len(tap.ranges)
        pulled = partial_containers.pull(f"{tap.host}/{repository}:new")
        received_bytes, ranges = tap.received_bytes - whole_bytes, tap.ranges[before:]
    assert max(ranges) > len(old) // 3
    assert received_bytes < 0.65 * whole_bytes
    mounted = Path(partial_containers.podman("image", "mount", pulled))
    assert {path.name: path.read_bytes() for path in mounted.iterdir()} == new
