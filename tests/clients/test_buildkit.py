"""BuildKit with a real daemon: images with provenance, and build caches, pushed straight from the build."""

import json
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.clients import Ctr, Skopeo
from support.daemons import BuildKit
from support.http import Client
from support.instance import Instance
from support.tools import Program

PLATFORMS = "linux/amd64,linux/arm64"
DOCKERFILE = """FROM scratch AS files
COPY hello /hello
FROM scratch
ARG TARGETARCH
COPY --from=files /hello /hello-$TARGETARCH
COPY again /again
CMD ["/hello"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder to build from: no step of it runs anything."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    # The daemon remembers files by their content, and packs none twice: each test has its own.
    for name in ("hello", "again"):
        (tmp_path / "context" / name).write_text(f"{name} in {tmp_path}\n", "utf-8")
    return tmp_path / "context"


def build_with_provenance(buildkit: BuildKit, context: Path, name: str, *exporter: str) -> None:
    """Build for two platforms and push, with full provenance, as `docker buildx build --push` does."""
    output = ",".join(("type=image", f"name={name}", "push=true", *exporter))
    buildkit.build(context, output, f"--opt=platform={PLATFORMS}", "--opt=attest:provenance=mode=max")


def platforms(index: dict[str, Any]) -> list[str]:
    return [f"{each['platform']['os']}/{each['platform']['architecture']}" for each in index["manifests"]]


# Attestations are images of an own kind by default, or artifacts of OCI 1.1 with a subject, or the other way round by version.
@pytest.mark.parametrize("exporter", ["oci-artifact=true", "oci-artifact=false"])
def test_an_image_with_provenance_is_pushed_as_an_index_with_children_of_no_platform(
    buildkit: BuildKit, hub: Instance, client: Client, repository: str, context: Path, exporter: str
) -> None:
    build_with_provenance(buildkit, context, f"{hub.host}/{repository}:v1", exporter)
    index = client.get(f"/v2/{repository}/manifests/v1").json
    assert platforms(index) == ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"]
    for image, attestation in zip(index["manifests"][:2], index["manifests"][2:], strict=True):
        assert attestation["annotations"]["vnd.docker.reference.digest"] == image["digest"]
        manifest = client.get(f"/v2/{repository}/manifests/{attestation['digest']}").json
        statement = client.get(f"/v2/{repository}/blobs/{manifest['layers'][0]['digest']}").json
        assert statement["predicateType"].startswith("https://slsa.dev/provenance/")


def test_the_provenance_of_each_image_is_among_its_referrers_where_buildkit_says_so(
    buildkit: BuildKit, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    build_with_provenance(buildkit, context, f"{hub.host}/{repository}:v1")
    index = client.get(f"/v2/{repository}/manifests/v1").json
    for image, attestation in zip(index["manifests"][:2], index["manifests"][2:], strict=True):
        manifest = client.get(f"/v2/{repository}/manifests/{attestation['digest']}").json
        found = client.get(f"/v2/{repository}/referrers/{image['digest']}").json["manifests"]
        assert [each["digest"] for each in found] == ([attestation["digest"]] if "subject" in manifest else [])


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_client_that_knows_nothing_of_provenance_gets_the_image_of_its_platform(
    buildkit: BuildKit, skopeo: Skopeo, hub: Instance, repository: str, context: Path, architecture: str
) -> None:
    name = f"docker://{hub.host}/{repository}:v1"
    build_with_provenance(buildkit, context, f"{hub.host}/{repository}:v1")
    asked = ("--override-os", "linux", "--override-arch", architecture)
    skopeo.run(*asked, "copy", "--src-tls-verify=false", name, f"dir:{context / 'one'}")
    manifest = json.loads((context / "one" / "manifest.json").read_bytes())
    config = json.loads((context / "one" / manifest["config"]["digest"].removeprefix("sha256:")).read_bytes())
    assert (config["architecture"], len(manifest["layers"])) == (architecture, 2)


def test_docker_pulls_the_image_and_not_its_provenance(
    buildkit: BuildKit, debian_docker: Program, hub: Instance, repository: str, context: Path
) -> None:
    name = f"{hub.host}/{repository}:v1"
    build_with_provenance(buildkit, context, name)
    debian_docker.run("pull", name)
    found = json.loads(debian_docker.run("image", "inspect", name).stdout)[0]
    assert (found["Architecture"], len(found["RootFS"]["Layers"])) == ("amd64", 2)


def test_containerd_pulls_and_pushes_all_of_it(
    buildkit: BuildKit, ctr: Ctr, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    name, target = f"{hub.host}/{repository}:v1", f"{hub.host}/{repository}-copy:v1"
    build_with_provenance(buildkit, context, name)
    ctr.run("content", "fetch", "--plain-http", "--all-platforms", name)
    ctr.run("images", "tag", name, target)
    ctr.push(target)
    copied = client.get(f"/v2/{repository}-copy/manifests/v1").json
    assert platforms(copied) == ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"]


def test_an_image_with_provenance_is_copied_whole_and_deleted_whole(
    buildkit: BuildKit, skopeo: Skopeo, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    build_with_provenance(buildkit, context, f"{hub.host}/{repository}:v1")
    skopeo.copy(f"docker://{hub.host}/{repository}:v1", f"docker://{hub.host}/{repository}-copy:v1", "--all")
    copied = client.get(f"/v2/{repository}-copy/manifests/v1")
    assert copied.content == client.get(f"/v2/{repository}/manifests/v1").content
    digests = [copied.headers["Docker-Content-Digest"], *(each["digest"] for each in copied.json["manifests"])]
    assert [client.delete(f"/v2/{repository}-copy/manifests/{digest}").status for digest in digests] == [202] * 5
    assert client.get(f"/v2/{repository}-copy/tags/list").json["tags"] == []


def test_a_base_image_is_pulled_and_its_layers_are_mounted_into_the_new_one(
    buildkit: BuildKit, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    base = images.multi_platform(111)
    images.push(client, repository, base, "base")
    (context / "Dockerfile").write_text(f"FROM {hub.host}/{repository}:base\nCOPY hello /hello\n", "utf-8")
    build_with_provenance(buildkit, context, f"{hub.host}/{repository}-app:v1")
    for image, wanted in zip(client.get(f"/v2/{repository}-app/manifests/v1").json["manifests"], base.images[:2], strict=False):
        layers = client.get(f"/v2/{repository}-app/manifests/{image['digest']}").json["layers"]
        assert [layer["digest"] for layer in layers[:-1]] == [layer.blob.digest for layer in wanted.layers]


# Before its version 0.21 BuildKit wrote a cache as an index whose members are no manifests but layers.
@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("image-manifest=true", images.MANIFEST),
        ("image-manifest=false", images.INDEX),
        ("image-manifest=false,oci-mediatypes=false", images.DOCKER_LIST),
    ],
    ids=["image", "index", "manifest-list"],
)
def test_a_build_takes_its_layers_from_a_cache_in_the_registry(
    buildkit: BuildKit, hub: Instance, repository: str, context: Path, form: str, media_type: str
) -> None:
    cache = f"type=registry,ref={hub.host}/{repository}:cache"
    output = f"type=image,name={hub.host}/{repository}:{{}},push=true"
    buildkit.build(context, output.format("first"), f"--export-cache={cache},mode=max,{form}")
    assert hub.client().get(f"/v2/{repository}/manifests/cache").headers["Content-Type"] == media_type
    buildkit.forget()
    told = buildkit.build(context, output.format("again"), f"--import-cache={cache}")
    assert "CACHED" in told
    layers = [hub.client().get(f"/v2/{repository}/manifests/{tag}").json["layers"] for tag in ("first", "again")]
    assert layers[0] == layers[1]


def test_layers_packed_by_zstd_are_pushed_and_an_image_without_a_name_too(
    buildkit: BuildKit, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    output = f"type=image,name={hub.host}/{repository},push=true,push-by-digest=true,compression=zstd,force-compression=true"
    metadata = context / "metadata.json"
    buildkit.build(context, output, f"--metadata-file={metadata}")
    digest = json.loads(metadata.read_text("utf-8"))["containerimage.digest"]
    manifest = client.get(f"/v2/{repository}/manifests/{digest}").json
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    assert client.get(f"/v2/{repository}/tags/list").json["tags"] == []
