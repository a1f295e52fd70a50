"""containerd's `ctr`, which takes the way of Docker from 29 on and of Kubernetes: HEAD first, one PUT for each blob."""

import tarfile
from pathlib import Path

import pytest

from support import images
from support.clients import Ctr
from support.http import Client
from support.instance import Instance


@pytest.fixture
def archive(tmp_path: Path, layout: Path) -> Path:
    """The layout in one tar file, as `ctr images import` reads it."""
    path = tmp_path / "layout.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(layout, arcname=".")
    return path


def test_an_index_is_pushed_with_all_its_platforms(
    ctr: Ctr, hub: Instance, client: Client, repository: str, archive: Path, index: images.Index
) -> None:
    ctr.bring(archive, f"{hub.host}/{repository}")
    ctr.push(f"{hub.host}/{repository}:multi")
    stored = client.get(f"/v2/{repository}/manifests/multi")
    assert stored.content == index.manifest.content
    assert stored.headers["Content-Type"] == images.INDEX
    for image in index.images:
        assert client.get(f"/v2/{repository}/manifests/{image.manifest.digest}").content == image.manifest.content
        assert all(client.head(f"/v2/{repository}/blobs/{blob.digest}").status == 200 for blob in image.blobs)


@pytest.mark.parametrize("place", range(len(images.PLATFORMS)), ids=images.PLATFORMS)
def test_a_pull_brings_the_layers_of_the_platform_asked_for_and_no_others(
    ctr: Ctr, hub: Instance, client: Client, repository: str, index: images.Index, place: int
) -> None:
    images.push(client, repository, index, "multi")
    ctr.pull(f"{hub.host}/{repository}:multi", images.PLATFORMS[place])
    held = ctr.content()
    assert ctr.digest(f"{hub.host}/{repository}:multi") == index.manifest.digest
    for number, image in enumerate(index.images):
        assert {blob.digest for blob in image.blobs} <= held if number == place else image.config.digest not in held


@pytest.mark.cluster
def test_what_was_pushed_is_pulled_back_unchanged(
    ctr: Ctr, hub: Instance, repository: str, archive: Path, index: images.Index
) -> None:
    name = f"{hub.host}/{repository}:single"
    ctr.bring(archive, f"{hub.host}/{repository}")
    ctr.push(name)
    ctr.forget(name)
    ctr.forget(f"{hub.host}/{repository}:multi")
    ctr.pull(name, images.PLATFORMS[0])
    assert ctr.digest(name) == index.images[0].manifest.digest
    assert {blob.digest for blob in index.images[0].blobs} <= ctr.content()


def test_an_image_is_pulled_by_digest(ctr: Ctr, hub: Instance, client: Client, repository: str, index: images.Index) -> None:
    digest = images.push(client, repository, index)
    ctr.pull(f"{hub.host}/{repository}@{digest}", "linux/arm64")
    assert ctr.digest(f"{hub.host}/{repository}@{digest}") == digest


def test_an_image_is_copied_to_another_repository(
    ctr: Ctr, hub: Instance, client: Client, repository: str, archive: Path, index: images.Index
) -> None:
    first, second = f"{hub.host}/{repository}:multi", f"{hub.host}/{repository}-copy:moved"
    ctr.bring(archive, f"{hub.host}/{repository}")
    ctr.push(first)
    ctr.run("images", "tag", first, second)
    ctr.push(second)
    assert client.get(f"/v2/{repository}-copy/manifests/moved").content == index.manifest.content
    assert client.get(f"/v2/{repository}-copy/tags/list").json["tags"] == ["moved"]


def test_pushing_the_same_image_again_changes_nothing(
    ctr: Ctr, hub: Instance, client: Client, repository: str, archive: Path, index: images.Index
) -> None:
    ctr.bring(archive, f"{hub.host}/{repository}")
    for _ in range(2):
        ctr.push(f"{hub.host}/{repository}:multi")
    assert client.head(f"/v2/{repository}/manifests/multi").headers["Docker-Content-Digest"] == index.manifest.digest


def test_a_name_of_one_segment_is_pulled(ctr: Ctr, hub: Instance, client: Client) -> None:
    image = images.simple_image(51)
    images.push(client, "library/ctr-hello", image, "latest")
    ctr.pull(f"{hub.host}/ctr-hello:latest", images.PLATFORMS[0])
    assert ctr.digest(f"{hub.host}/ctr-hello:latest") == image.manifest.digest


def test_a_big_layer_survives_the_way_there_and_back(
    ctr: Ctr, hub: Instance, client: Client, repository: str, big_image: images.Image, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:big"
    folder = images.write_layout(tmp_path / "big", {"big": big_image})
    with tarfile.open(tmp_path / "big-layout.tar", "w") as tar:
        tar.add(folder, arcname=".")
    ctr.bring(tmp_path / "big-layout.tar", f"{hub.host}/{repository}")
    ctr.push(name)
    ctr.forget(name)
    ctr.pull(name, images.PLATFORMS[0])
    assert big_image.layers[0].blob.digest in ctr.content()
    assert client.head(f"/v2/{repository}/blobs/{big_image.layers[0].blob.digest}").headers["Content-Length"] == str(
        big_image.layers[0].blob.size_bytes
    )


def test_pulling_a_tag_that_is_not_there_says_so(ctr: Ctr, hub: Instance, repository: str) -> None:
    told = ctr.run("images", "pull", "--plain-http", f"{hub.host}/{repository}:nothing", check=False)
    assert "not found" in told
