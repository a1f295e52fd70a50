"""regctl, and with it the library that regsync and regbot copy and clean by."""

from pathlib import Path

import pytest

from support import images
from support.clients import Regctl
from support.http import Client
from support.instance import Instance

SBOM = "application/vnd.example.sbom"


def attach(regctl: Regctl, name: str, content: str) -> str:
    """Attach an artifact without files to an image, for all its platforms, and return its digest."""
    words = ("artifact", "put", "--artifact-type", SBOM, "--subject", name, "--file-media-type", "text/plain")
    return regctl.run(*words, "--annotation", f"content={content}", "--format", "{{.Manifest.GetDescriptor.Digest}}")


def attached(regctl: Regctl, name: str) -> list[str]:
    return [each["digest"] for each in regctl.told("artifact", "list", name)["descriptors"] or []]


def test_an_index_is_copied_between_repositories_by_mounting(
    regctl: Regctl, hub: Instance, client: Client, repository: str, index: images.Index
) -> None:
    images.push(client, repository, index, "multi")
    regctl.run("image", "copy", f"{hub.host}/{repository}:multi", f"{hub.host}/{repository}-copy:moved")
    log = hub.log.read_text("utf-8")
    written = [line for line in log.splitlines() if " written " in line and f"path=/v2/{repository}-copy/blobs/" in line]
    assert written
    assert all("method=POST" in line for line in written)
    assert client.get(f"/v2/{repository}-copy/manifests/moved").content == index.manifest.content
    assert regctl.run("image", "digest", f"{hub.host}/{repository}-copy:moved") == index.manifest.digest


@pytest.mark.parametrize("name", ["multi", "single"])
def test_a_layout_is_pushed_and_pulled_back_unchanged(
    regctl: Regctl, hub: Instance, repository: str, layout: Path, index: images.Index, name: str
) -> None:
    place = f"{hub.host}/{repository}:{name}"
    regctl.run("image", "copy", f"ocidir://{layout}:{name}", place)
    regctl.run("image", "copy", place, f"ocidir://{layout}-back:{name}")
    wanted = index.manifest.digest if name == "multi" else index.images[0].manifest.digest
    assert regctl.run("image", "digest", f"ocidir://{layout}-back:{name}") == wanted


@pytest.mark.parametrize("platform", images.PLATFORMS)
def test_the_image_for_the_platform_asked_for_is_read(
    regctl: Regctl, hub: Instance, client: Client, repository: str, index: images.Index, platform: str
) -> None:
    images.push(client, repository, index, "multi")
    name, wanted = f"{hub.host}/{repository}:multi", index.images[images.PLATFORMS.index(platform)]
    assert regctl.run("image", "digest", "--platform", platform, name) == wanted.manifest.digest
    assert regctl.told("image", "config", "--platform", platform, name)["architecture"] == platform.split("/")[1]


def test_more_tags_than_one_page_holds_are_all_listed(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    image = images.simple_image(91)
    digest = images.push(client, repository, image)
    names = sorted(f"v{number}" for number in range(1_050))
    for first in range(0, len(names), 50):
        tags = "&".join(f"tag={name}" for name in names[first : first + 50])
        images.push_manifest(client, repository, image.manifest, f"{digest}?{tags}")
    # Without a limit it takes the first page and asks for no other.
    found: list[str] = []
    while page := regctl.run(
        "tag", "ls", "--limit", "500", *(["--last", found[-1]] if found else []), f"{hub.host}/{repository}"
    ):
        found += page.splitlines()
    assert found == names


def test_repositories_are_listed(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.simple_image(92), "v1")
    assert repository in regctl.run("repo", "ls", hub.host).splitlines()


def test_a_deleted_tag_leaves_the_image_and_its_other_tag(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(93), "gone", "stays")
    regctl.run("tag", "delete", f"{hub.host}/{repository}:gone")
    assert regctl.run("tag", "ls", f"{hub.host}/{repository}") == "stays"
    assert regctl.run("manifest", "head", f"{hub.host}/{repository}:stays") == digest


def test_a_deleted_manifest_is_gone_with_its_tags(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    digest = images.push(client, repository, images.simple_image(94), "v1", "v2")
    regctl.run("manifest", "delete", f"{hub.host}/{repository}@{digest}")
    assert regctl.run("tag", "ls", f"{hub.host}/{repository}") == ""
    assert client.get(f"/v2/{repository}/manifests/{digest}").error_code == "MANIFEST_UNKNOWN"


def test_what_is_attached_is_listed_and_copied_with_the_image(
    regctl: Regctl, hub: Instance, client: Client, repository: str, index: images.Index
) -> None:
    name, target = f"{hub.host}/{repository}:multi", f"{hub.host}/{repository}-copy:multi"
    images.push(client, repository, index, "multi")
    bills = {attach(regctl, name, content) for content in ("one", "two")}
    assert len(bills) == 2
    assert set(attached(regctl, name)) == bills
    regctl.run("image", "copy", "--referrers", name, target)
    assert set(attached(regctl, target)) == bills
    assert client.get(f"/v2/{repository}/tags/list").json["tags"] == ["multi"]


def test_files_of_an_artifact_come_back_by_the_type_of_what_it_is_attached_to(
    regctl: Regctl, hub: Instance, client: Client, repository: str, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:v1"
    images.push(client, repository, images.simple_image(97), "v1")
    (tmp_path / "bill.txt").write_text("nuts and bolts\n", "utf-8")
    words = ("artifact", "put", "--artifact-type", SBOM, "--file", str(tmp_path / "bill.txt"), "--file-media-type", "text/plain")
    regctl.run(*words, "--subject", name)
    attach(regctl, name, "another")
    assert regctl.run("artifact", "get", "--subject", name, "--filter-artifact-type", SBOM) == "nuts and bolts"


def test_a_deleted_artifact_leaves_the_list_of_its_image(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    name = f"{hub.host}/{repository}:v1"
    images.push(client, repository, images.simple_image(95), "v1")
    gone, stays = (attach(regctl, name, content) for content in ("gone", "stays"))
    # With this flag it would also take the digest out of a list kept as a tag, if the registry needed one.
    regctl.run("manifest", "delete", "--referrers", f"{hub.host}/{repository}@{gone}")
    assert attached(regctl, name) == [stays]


def test_an_image_is_changed_where_it_lies(regctl: Regctl, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.multi_platform(96), "v1")
    regctl.run("image", "mod", f"{hub.host}/{repository}:v1", "--label", "team=harbour", "--create", "v2")
    config = regctl.told("image", "config", "--platform", "linux/arm64", f"{hub.host}/{repository}:v2")
    assert config["config"]["Labels"] == {"team": "harbour"}


def test_a_big_layer_survives_the_way_there_and_back(
    regctl: Regctl, hub: Instance, repository: str, big_image: images.Image, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, name = tmp_path_factory.mktemp("big"), f"{hub.host}/{repository}:big"
    images.write_layout(folder / "there", {"big": big_image})
    regctl.run("image", "copy", f"ocidir://{folder / 'there'}:big", name)
    regctl.run("image", "copy", name, f"ocidir://{folder / 'back'}:big")
    layer = big_image.layers[0].blob
    stored = folder / "back" / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    assert stored.stat().st_size == layer.size_bytes


def test_reading_a_tag_that_is_not_there_says_so(regctl: Regctl, hub: Instance, repository: str) -> None:
    assert "not found" in regctl.run("manifest", "get", f"{hub.host}/{repository}:nothing", check=False)
