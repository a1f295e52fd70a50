"""crane, and with it the library that ko, kaniko and cosign push and pull by."""

import json
from pathlib import Path

import pytest

from support import images
from support.clients import Crane
from support.http import Client
from support.instance import Instance


def test_an_index_is_pushed_byte_for_byte(
    crane: Crane, hub: Instance, client: Client, repository: str, index: images.Index, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:multi"
    folder = images.write_layout(tmp_path / "index-only", {"multi": index})
    crane.run("push", "--index", str(folder), name)
    top = client.get(f"/v2/{repository}/manifests/multi").json
    inner = top["manifests"][0] if top["manifests"][0]["mediaType"] == images.INDEX else top
    assert inner is top or inner["digest"] == index.manifest.digest
    assert client.get(f"/v2/{repository}/manifests/{index.manifest.digest}").content == index.manifest.content
    crane.run("validate", "--remote", f"{hub.host}/{repository}@{index.manifest.digest}")


def test_an_image_is_pushed_and_pulled_back_unchanged(
    crane: Crane, hub: Instance, client: Client, repository: str, tmp_path: Path
) -> None:
    image = images.simple_image(71)
    name = f"{hub.host}/{repository}:v1"
    crane.run("push", str(images.write_layout(tmp_path / "one", {"v1": image})), name)
    assert crane.run("digest", name) == image.manifest.digest
    crane.run("pull", "--format", "oci", name, str(tmp_path / "back"))
    pulled = {f"sha256:{path.name}" for path in (tmp_path / "back" / "blobs" / "sha256").iterdir()}
    assert {image.manifest.digest, *(blob.digest for blob in image.blobs)} <= pulled
    assert client.get(f"/v2/{repository}/manifests/v1").content == image.manifest.content


@pytest.mark.parametrize("place", range(len(images.PLATFORMS)), ids=images.PLATFORMS)
def test_the_image_for_the_platform_asked_for_is_read(
    crane: Crane, hub: Instance, client: Client, repository: str, index: images.Index, place: int
) -> None:
    images.push(client, repository, index, "multi")
    name, platform = f"{hub.host}/{repository}:multi", images.PLATFORMS[place]
    assert crane.run("digest", "--platform", platform, name) == index.images[place].manifest.digest
    assert json.loads(crane.run("config", "--platform", platform, name))["architecture"] == platform.split("/")[1]


def test_a_real_alpine_is_pushed_and_its_files_are_read_back(
    crane: Crane, hub: Instance, repository: str, alpine_tar: Path
) -> None:
    name = f"{hub.host}/{repository}:3.10"
    crane.run("push", str(alpine_tar), name)
    crane.run("validate", "--remote", name)
    assert len(json.loads(crane.run("manifest", name))["layers"]) == 1


def test_tags_and_repositories_are_listed(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.simple_image(72), "v1", "v10", "v2")
    assert crane.run("ls", f"{hub.host}/{repository}").splitlines() == ["v1", "v10", "v2"]
    assert repository in crane.run("catalog", hub.host).splitlines()


def test_more_tags_than_one_page_holds_are_all_listed(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    image = images.simple_image(73)
    names = sorted(f"v{number}" for number in range(1_050))
    digest = images.push(client, repository, image)
    for first in range(0, len(names), 50):
        tags = "&".join(f"tag={name}" for name in names[first : first + 50])
        images.push_manifest(client, repository, image.manifest, f"{digest}?{tags}")
    assert crane.run("ls", f"{hub.host}/{repository}").splitlines() == names


def test_an_image_is_tagged_anew_without_being_sent(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(74), "v1")
    crane.run("tag", f"{hub.host}/{repository}:v1", "stable")
    assert client.head(f"/v2/{repository}/manifests/stable").headers["Docker-Content-Digest"] == digest


def test_an_index_is_copied_between_repositories(
    crane: Crane, hub: Instance, client: Client, repository: str, index: images.Index
) -> None:
    images.push(client, repository, index, "multi")
    crane.run("copy", f"{hub.host}/{repository}:multi", f"{hub.host}/{repository}-copy:moved")
    assert client.get(f"/v2/{repository}-copy/manifests/moved").content == index.manifest.content
    crane.run("validate", "--remote", f"{hub.host}/{repository}-copy:moved")


def test_a_deleted_tag_leaves_the_image_and_its_other_tag(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(75), "gone", "stays")
    crane.run("delete", f"{hub.host}/{repository}:gone")
    assert crane.run("ls", f"{hub.host}/{repository}").splitlines() == ["stays"]
    assert crane.run("digest", f"{hub.host}/{repository}@{digest}") == digest


def test_a_deleted_digest_is_gone_with_its_tags(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(76), "v1", "v2")
    crane.run("delete", f"{hub.host}/{repository}@{digest}")
    assert client.get(f"/v2/{repository}/tags/list").json["tags"] in ([], None)
    assert "MANIFEST_UNKNOWN" in crane.run("manifest", f"{hub.host}/{repository}@{digest}", check=False)


def test_an_image_is_changed_where_it_lies(crane: Crane, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(77), "v1")
    changed = crane.run(
        "mutate", f"{hub.host}/{repository}:v1", "--label", "team=harbour", "--tag", f"{hub.host}/{repository}:v2"
    )
    assert digest not in changed
    assert json.loads(crane.run("config", f"{hub.host}/{repository}:v2"))["config"]["Labels"] == {"team": "harbour"}


def test_a_name_of_one_segment_is_the_same_repository_under_library(crane: Crane, hub: Instance, tmp_path: Path) -> None:
    image = images.simple_image(78)
    crane.run("push", str(images.write_layout(tmp_path / "one", {"v1": image})), f"{hub.host}/crane-hello:v1")
    assert crane.run("digest", f"{hub.host}/library/crane-hello:v1") == image.manifest.digest


def test_a_big_layer_survives_the_way_there_and_back(
    crane: Crane, hub: Instance, repository: str, big_image: images.Image, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:big"
    crane.run("push", str(images.write_layout(tmp_path / "big", {"big": big_image})), name)
    crane.run("pull", "--format", "oci", name, str(tmp_path / "back"))
    blob = tmp_path / "back" / "blobs" / "sha256" / big_image.layers[0].blob.digest.removeprefix("sha256:")
    assert blob.stat().st_size == big_image.layers[0].blob.size_bytes
