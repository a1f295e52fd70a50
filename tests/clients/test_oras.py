"""oras: any files as artifacts, and artifacts that are attached to others."""

import filecmp
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.clients import Oras
from support.http import Client
from support.instance import Instance

THING, SBOM, SIGNATURE = (f"application/vnd.example.{name}" for name in ("thing", "sbom", "signature"))


@pytest.fixture(autouse=True)
def note(tmp_path: Path) -> Path:
    """The file that the tests push as `note.txt`."""
    path = tmp_path / "note.txt"
    path.write_text("mind the tide\n", "utf-8")
    return path


@pytest.fixture
def big_file(big_image: images.Image) -> Path:
    """A file as big as the test's name tells, where oras runs."""
    content = big_image.layers[0].blob.content
    assert isinstance(content, Path)
    return content


def attach(oras: Oras, name: str, kind: str) -> str:
    """Attach the note to an artifact and return the digest of what is attached."""
    return str(oras.told("attach", "--artifact-type", kind, name, "note.txt:text/plain")["digest"])


def referrers(oras: Oras, name: str, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = oras.told("discover", *options, name)["referrers"]
    return found


def test_files_are_pushed_and_pulled_back_with_their_names(oras: Oras, hub: Instance, repository: str, note: Path) -> None:
    name = f"{hub.host}/{repository}:v1"
    (note.parent / "chart").mkdir()
    (note.parent / "chart" / "depths.csv").write_text("place,depth\nquay,7\n", "utf-8")
    oras.run("push", "--artifact-type", THING, name, "note.txt:text/plain", "chart")
    oras.run("pull", "--output", str(note.parent / "back"), name)
    assert (note.parent / "back" / "note.txt").read_bytes() == note.read_bytes()
    assert (note.parent / "back" / "chart" / "depths.csv").read_text("utf-8") == "place,depth\nquay,7\n"


def test_an_artifact_keeps_its_type_and_may_have_several_tags(oras: Oras, hub: Instance, client: Client, repository: str) -> None:
    oras.run("push", "--artifact-type", THING, f"{hub.host}/{repository}:v1,v2,latest", "note.txt:text/plain")
    assert client.get(f"/v2/{repository}/manifests/v2").json["artifactType"] == THING
    assert oras.run("repo", "tags", f"{hub.host}/{repository}").splitlines() == ["latest", "v1", "v2"]
    assert repository in oras.run("repo", "list", hub.host).splitlines()


def test_what_is_attached_is_discovered_by_its_type(oras: Oras, hub: Instance, client: Client, repository: str) -> None:
    name = f"{hub.host}/{repository}:v1"
    digest = images.push(client, repository, images.simple_image(81), "v1")
    bill, signature = (attach(oras, name, kind) for kind in (SBOM, SIGNATURE))
    assert {each["digest"] for each in referrers(oras, name)} == {bill, signature}
    assert [each["digest"] for each in referrers(oras, name, "--artifact-type", SBOM)] == [bill]
    assert client.get(f"/v2/{repository}/manifests/{bill}").json["subject"]["digest"] == digest
    # It asks the registry and needs no tag that stands for the list.
    assert oras.run("repo", "tags", f"{hub.host}/{repository}") == "v1"


def test_what_is_attached_to_something_attached_is_discovered_as_a_tree(
    oras: Oras, hub: Instance, client: Client, repository: str
) -> None:
    name = f"{hub.host}/{repository}"
    images.push(client, repository, images.multi_platform(8), "multi")
    bill = attach(oras, f"{name}:multi", SBOM)
    signature = attach(oras, f"{name}@{bill}", SIGNATURE)
    found = referrers(oras, f"{name}:multi")
    assert [each["digest"] for each in found] == [bill]
    assert [each["digest"] for each in found[0]["referrers"]] == [signature]


def test_more_referrers_than_one_page_holds_are_all_discovered(
    oras: Oras, hub: Instance, client: Client, repository: str
) -> None:
    image = images.simple_image(82)
    digest = images.push(client, repository, image, "v1")
    # A page ends after a thousand, or when their annotations come to 4 MiB.
    notes = ({"number": str(number), "text": "tide " * 200_000} for number in range(10))
    about = {"subject": image.manifest.descriptor}
    pushed = {images.push_artifact(client, repository, SBOM, annotations=each, **about) for each in notes}
    first = client.get(f"/v2/{repository}/referrers/{digest}")
    assert "Link" in first.headers
    assert len(first.json["manifests"]) < len(pushed)
    assert {each["digest"] for each in referrers(oras, f"{hub.host}/{repository}@{digest}", "--depth", "1")} == pushed


@pytest.mark.parametrize("with_referrers", [True, False], ids=["with-referrers", "alone"])
def test_an_artifact_is_copied_between_repositories(
    oras: Oras, hub: Instance, client: Client, repository: str, *, with_referrers: bool
) -> None:
    index = images.multi_platform(9)
    images.push(client, repository, index, "multi")
    bill = attach(oras, f"{hub.host}/{repository}:multi", SBOM)
    target = f"{repository}-copy"
    oras.copy(f"{hub.host}/{repository}:multi", f"{hub.host}/{target}:moved", *(["--recursive"] if with_referrers else []))
    assert client.get(f"/v2/{target}/manifests/moved").content == index.manifest.content
    found = [each["digest"] for each in referrers(oras, f"{hub.host}/{target}:moved")]
    assert found == ([bill] if with_referrers else [])


@pytest.mark.parametrize("platform", images.PLATFORMS)
def test_the_image_for_the_platform_asked_for_is_found(
    oras: Oras, hub: Instance, client: Client, repository: str, index: images.Index, platform: str
) -> None:
    images.push(client, repository, index, "multi")
    wanted = index.images[images.PLATFORMS.index(platform)].manifest.digest
    assert oras.run("resolve", "--platform", platform, f"{hub.host}/{repository}:multi") == wanted


def test_an_index_is_made_of_images_that_are_there(oras: Oras, hub: Instance, client: Client, repository: str) -> None:
    made = [images.push(client, repository, images.simple_image(830 + n, images.PLATFORMS[n]), f"part{n}") for n in range(2)]
    oras.run("manifest", "index", "create", f"{hub.host}/{repository}:whole", "part0", "part1")
    whole = client.get(f"/v2/{repository}/manifests/whole").json
    assert [each["digest"] for each in whole["manifests"]] == made
    assert [each["platform"]["architecture"] for each in whole["manifests"]] == ["amd64", "arm64"]


def test_a_blob_is_pushed_fetched_and_deleted(oras: Oras, hub: Instance, client: Client, repository: str, note: Path) -> None:
    digest = images.sha256(note.read_bytes())
    name = f"{hub.host}/{repository}@{digest}"
    oras.run("blob", "push", name, "note.txt")
    assert oras.run("blob", "fetch", "--output", "-", name) == note.read_text("utf-8").strip()
    oras.run("blob", "delete", "--force", name)
    assert client.get(f"/v2/{repository}/blobs/{digest}").error_code == "BLOB_UNKNOWN"


def test_a_deleted_artifact_is_gone_and_what_was_attached_to_it_can_be_deleted_too(
    oras: Oras, hub: Instance, client: Client, repository: str
) -> None:
    name = f"{hub.host}/{repository}"
    oras.run("push", "--artifact-type", THING, f"{name}:v1", "note.txt:text/plain")
    bill = attach(oras, f"{name}:v1", SBOM)
    oras.run("manifest", "delete", "--force", f"{name}:v1")
    assert "not found" in oras.run("resolve", f"{name}:v1", check=False)
    oras.run("manifest", "delete", "--force", f"{name}@{bill}")
    assert client.get(f"/v2/{repository}/manifests/{bill}").error_code == "MANIFEST_UNKNOWN"


def test_a_backup_of_a_repository_is_restored_whole(oras: Oras, hub: Instance, client: Client, repository: str) -> None:
    images.push(client, repository, images.multi_platform(10), "multi")
    images.push(client, repository, images.simple_image(84), "v1")
    bill = attach(oras, f"{hub.host}/{repository}:multi", SBOM)
    oras.run("backup", "--include-referrers", "--output", "saved", f"{hub.host}/{repository}")
    oras.run("restore", "--input", "saved", f"{hub.host}/{repository}-back")
    assert client.get(f"/v2/{repository}-back/tags/list").json["tags"] == ["multi", "v1"]
    assert [each["digest"] for each in referrers(oras, f"{hub.host}/{repository}-back:multi")] == [bill]


def test_a_big_file_survives_the_way_there_and_back(
    oras: Oras, hub: Instance, repository: str, big_file: Path, tmp_path: Path
) -> None:
    name = f"{hub.host}/{repository}:big"
    oras.run("push", "--artifact-type", THING, name, f"{big_file.name}:application/x-tar")
    oras.run("pull", "--output", str(tmp_path / "back"), name)
    assert filecmp.cmp(tmp_path / "back" / big_file.name, big_file, shallow=False)
