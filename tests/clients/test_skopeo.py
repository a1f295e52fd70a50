"""skopeo, and with it the library that podman and buildah push and pull by."""

import json
from pathlib import Path

import pytest

from support import images
from support.clients import Skopeo
from support.http import Client
from support.instance import Instance


def stored_blobs(layout: Path) -> dict[str, bytes]:
    return {f"sha256:{path.name}": path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}


@pytest.mark.cluster
def test_an_index_is_copied_there_and_back_byte_for_byte(
    skopeo: Skopeo, hub: Instance, repository: str, layout: Path, index: images.Index, tmp_path: Path
) -> None:
    place = f"docker://{hub.host}/{repository}:multi"
    skopeo.copy(f"oci:{layout}:multi", place, "--all")
    assert hub.client().get(f"/v2/{repository}/manifests/multi").content == index.manifest.content
    skopeo.copy(place, f"oci:{tmp_path / 'back'}:multi", "--all")
    back = stored_blobs(tmp_path / "back")
    assert back[index.manifest.digest] == index.manifest.content
    assert back.keys() == stored_blobs(layout).keys()


@pytest.mark.parametrize("place", range(len(images.PLATFORMS)), ids=images.PLATFORMS)
def test_the_image_for_the_platform_asked_for_is_copied(
    skopeo: Skopeo, hub: Instance, repository: str, index: images.Index, tmp_path: Path, place: int
) -> None:
    images.push(hub.client(), repository, index, "multi")
    system, architecture, *variant = images.PLATFORMS[place].split("/")
    asked = ["--override-os", system, "--override-arch", architecture, *(["--override-variant", variant[0]] if variant else [])]
    skopeo.run(*asked, "copy", "--src-tls-verify=false", f"docker://{hub.host}/{repository}:multi", f"oci:{tmp_path / 'one'}:one")
    assert index.images[place].config.digest in stored_blobs(tmp_path / "one")


def test_a_real_alpine_is_copied_in_and_inspected(skopeo: Skopeo, hub: Instance, repository: str, alpine_tar: Path) -> None:
    skopeo.copy(f"docker-archive:{alpine_tar}", f"docker://{hub.host}/{repository}:3.10")
    told = skopeo.inspect(f"docker://{hub.host}/{repository}:3.10")
    assert told["Architecture"] == "amd64"
    assert told["RepoTags"] == ["3.10"]
    assert len(told["Layers"]) == 1


@pytest.mark.parametrize(("form", "media_type"), [("oci", images.MANIFEST), ("v2s2", images.DOCKER_MANIFEST)])
def test_an_image_is_stored_in_the_form_it_was_pushed_in(
    skopeo: Skopeo, hub: Instance, repository: str, alpine_tar: Path, form: str, media_type: str
) -> None:
    skopeo.copy(f"docker-archive:{alpine_tar}", f"docker://{hub.host}/{repository}:v1", "--format", form)
    answer = hub.client().get(f"/v2/{repository}/manifests/v1", headers={"Accept": "application/json"})
    assert answer.headers["Content-Type"] == media_type
    assert answer.json["mediaType"] == media_type


def test_tags_are_listed(skopeo: Skopeo, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.simple_image(61), "v1", "v10", "v2", "Latest")
    assert skopeo.tags(hub.host, repository) == ["Latest", "v1", "v10", "v2"]


def test_an_image_is_copied_between_repositories(
    skopeo: Skopeo, hub: Instance, client: Client, repository: str, index: images.Index
) -> None:
    images.push(client, repository, index, "multi")
    skopeo.copy(f"docker://{hub.host}/{repository}:multi", f"docker://{hub.host}/{repository}-copy:multi", "--all")
    assert client.get(f"/v2/{repository}-copy/manifests/multi").content == index.manifest.content
    assert all(
        client.head(f"/v2/{repository}-copy/blobs/{blob.digest}").status == 200 for each in index.images for blob in each.blobs
    )


def test_an_image_is_copied_by_digest(skopeo: Skopeo, hub: Instance, client: Client, repository: str, tmp_path: Path) -> None:
    image = images.simple_image(62)
    digest = images.push(client, repository, image)
    skopeo.copy(f"docker://{hub.host}/{repository}@{digest}", f"oci:{tmp_path / 'one'}:one")
    assert stored_blobs(tmp_path / "one")[digest] == image.manifest.content


def test_a_deleted_image_is_gone_and_its_neighbour_stays(skopeo: Skopeo, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.simple_image(63), "gone")
    images.push(client, repository, images.simple_image(64), "stays")
    skopeo.run("delete", "--tls-verify=false", f"docker://{hub.host}/{repository}:gone")
    assert skopeo.tags(hub.host, repository) == ["stays"]
    assert client.get(f"/v2/{repository}/manifests/gone").error_code == "MANIFEST_UNKNOWN"


def test_an_image_of_forty_layers_survives_the_way_there_and_back(
    skopeo: Skopeo, hub: Instance, repository: str, tmp_path: Path
) -> None:
    image = images.simple_image(65, layers=40)
    images.write_layout(tmp_path / "many", {"v1": image})
    skopeo.copy(f"oci:{tmp_path / 'many'}:v1", f"docker://{hub.host}/{repository}:v1")
    skopeo.copy(f"docker://{hub.host}/{repository}:v1", f"oci:{tmp_path / 'back'}:v1")
    assert stored_blobs(tmp_path / "back") == stored_blobs(tmp_path / "many")


def test_an_interrupted_sync_is_completed_by_the_next(
    skopeo: Skopeo, hub: Instance, client: Client, repository: str, layout: Path
) -> None:
    image = images.simple_image(66)
    images.push_blob(client, repository, image.layers[0].blob)
    images.write_layout(layout.with_name("half"), {"v1": image})
    skopeo.copy(f"oci:{layout.with_name('half')}:v1", f"docker://{hub.host}/{repository}:v1")
    assert client.get(f"/v2/{repository}/manifests/v1").content == image.manifest.content


def test_a_big_layer_survives_the_way_there_and_back(
    skopeo: Skopeo, hub: Instance, repository: str, big_image: images.Image, tmp_path: Path
) -> None:
    images.write_layout(tmp_path / "big", {"v1": big_image})
    skopeo.copy(f"oci:{tmp_path / 'big'}:v1", f"docker://{hub.host}/{repository}:v1")
    skopeo.copy(f"docker://{hub.host}/{repository}:v1", f"oci:{tmp_path / 'back'}:v1")
    config = json.loads((tmp_path / "back" / "blobs" / "sha256" / big_image.config.digest.removeprefix("sha256:")).read_bytes())
    assert config["rootfs"]["diff_ids"] == [big_image.layers[0].diff_id]


def test_inspecting_a_tag_that_is_not_there_says_so(skopeo: Skopeo, hub: Instance, repository: str) -> None:
    told = skopeo.run("inspect", "--tls-verify=false", f"docker://{hub.host}/{repository}:nothing", check=False)
    assert "manifest unknown" in told or "name unknown" in told
