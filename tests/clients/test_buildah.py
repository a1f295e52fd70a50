"""buildah: images for several platforms, built from nothing and pushed as one list."""

from pathlib import Path

import pytest

from support import images
from support.containers import Containers
from support.http import Client
from support.instance import Instance

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
CONTAINERFILE = """FROM scratch
ARG TARGETARCH
COPY hello /hello-$TARGETARCH
COPY again /again
CMD ["/hello"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder to build from: no step of it runs anything."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Containerfile").write_text(CONTAINERFILE, "utf-8")
    for name in ("hello", "again"):
        (tmp_path / "context" / name).write_text(f"{name}\n", "utf-8")
    return tmp_path / "context"


def build(containers: Containers, name: str, context: Path) -> None:
    """Build one image for each platform, under one name."""
    words = ("build", "--isolation", "chroot", "--platform", ",".join(PLATFORMS), "--manifest", name)
    containers.buildah(*words, "--file", str(context / "Containerfile"), str(context))


@pytest.mark.parametrize(("form", "media_type"), [("oci", images.INDEX), ("v2s2", images.DOCKER_LIST)])
def test_what_was_built_for_several_platforms_is_pushed_and_pulled(
    containers: Containers, hub: Instance, repository: str, context: Path, form: str, media_type: str
) -> None:
    name = f"{hub.host}/{repository}:v1"
    build(containers, name, context)
    containers.buildah("manifest", "push", "--all", "--tls-verify=false", "--format", form, name, f"docker://{name}")
    stored = hub.client().get(f"/v2/{repository}/manifests/v1")
    assert stored.headers["Content-Type"] == media_type
    told = (each["platform"] for each in stored.json["manifests"])
    # They are built side by side and stand in the list in the order in which they are done.
    assert {"/".join(each[part] for part in ("os", "architecture", "variant") if part in each) for each in told} == set(PLATFORMS)
    containers.buildah("manifest", "rm", name)
    containers.podman("rmi", "--all", "--force")
    pulled = containers.pull(name, "--platform", "linux/arm64")
    assert "hello-arm64" in {path.name for path in Path(containers.podman("image", "mount", pulled)).iterdir()}


def test_a_container_is_committed_straight_into_the_registry(
    containers: Containers, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    container = containers.buildah("from", "scratch")
    containers.buildah("copy", container, str(context / "hello"), "/hello")
    containers.buildah("config", "--label", "team=harbour", container)
    containers.buildah("commit", "--quiet", "--tls-verify=false", container, f"docker://{hub.host}/{repository}:v1")
    config = client.get(f"/v2/{repository}/manifests/v1").json["config"]["digest"]
    assert client.get(f"/v2/{repository}/blobs/{config}").json["config"]["Labels"]["team"] == "harbour"


def test_layers_are_found_in_a_cache_that_lies_in_the_registry(
    containers: Containers, hub: Instance, client: Client, repository: str, context: Path
) -> None:
    # With an ARG in it buildah 1.28 looks for other layers than it stored.
    (context / "Containerfile").write_text("FROM scratch\nCOPY hello /\nCOPY again /\n", "utf-8")
    cache = f"{hub.host}/{repository}-cache"
    words = ["build", "--isolation", "chroot", "--tls-verify=false", "--layers", "--timestamp", "0"]
    words += ["--cache-to", cache, "--cache-from", cache, "--file", str(context / "Containerfile"), str(context)]
    first = containers.buildah(*words)
    assert len(client.get(f"/v2/{repository}-cache/tags/list").json["tags"]) == 2
    containers.podman("rmi", "--all", "--force")
    again = containers.buildah(*words)
    assert again.count("Cache pulled") == 2
    assert again.splitlines()[-1] == first.splitlines()[-1]
