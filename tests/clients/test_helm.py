"""helm: charts as artifacts."""

from pathlib import Path

import pytest

from support.clients import Helm
from support.http import Client
from support.instance import Instance

CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"


def packed(helm: Helm, folder: Path, version: str = "1.2.3") -> Path:
    """Make a small chart and pack it."""
    (folder / "tides" / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "tides" / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: tides\nversion: {version}\ndescription: Mind the tide\n", "utf-8"
    )
    (folder / "tides" / "values.yaml").write_text("depth: 7\n", "utf-8")
    (folder / "tides" / "templates" / "map.yaml").write_text(
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: depths\ndata:\n  quay: "{{ .Values.depth }}"\n', "utf-8"
    )
    helm.run("package", str(folder / "tides"), "--destination", str(folder))
    return folder / f"tides-{version}.tgz"


def push(helm: Helm, archive: Path, place: str) -> str:
    return helm.run("push", "--plain-http", str(archive), place)


def test_a_chart_is_pushed_and_pulled_back_byte_for_byte(
    helm: Helm, hub: Instance, client: Client, repository: str, tmp_path: Path
) -> None:
    place = f"oci://{hub.host}/{repository}"
    archive = packed(helm, tmp_path)
    told = push(helm, archive, place)
    stored = client.get(f"/v2/{repository}/tides/manifests/1.2.3")
    assert stored.headers["Docker-Content-Digest"] in told
    assert [layer["mediaType"] for layer in stored.json["layers"]] == [CHART]
    (tmp_path / "back").mkdir()
    helm.run("pull", "--plain-http", f"{place}/tides", "--version", "1.2.3", "--destination", str(tmp_path / "back"))
    assert (tmp_path / "back" / archive.name).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize(
    ("asked", "given"), [(">=1.0.0", "1.10.0"), ("~1.2.0", "1.2.3"), ("1.9.0+build.5", "1.9.0+build.5"), ("", "1.10.0")]
)
def test_the_version_asked_for_is_found_among_the_tags(
    helm: Helm, hub: Instance, repository: str, tmp_path: Path, asked: str, given: str
) -> None:
    place = f"oci://{hub.host}/{repository}"
    for version in ("1.2.3", "1.9.0+build.5", "1.10.0", "2.0.0-rc.1"):
        push(helm, packed(helm, tmp_path, version), place)
    # A tag cannot hold a plus, so helm writes another letter for it, and takes it back.
    assert hub.client().get(f"/v2/{repository}/tides/tags/list").json["tags"] == [
        "1.10.0",
        "1.2.3",
        "1.9.0_build.5",
        "2.0.0-rc.1",
    ]
    told = helm.run("show", "chart", "--plain-http", f"{place}/tides", *(["--version", asked] if asked else []))
    assert f"version: {given}\n" in told


def test_a_chart_is_rendered_straight_from_the_registry_by_its_digest(
    helm: Helm, hub: Instance, client: Client, repository: str, tmp_path: Path
) -> None:
    push(helm, packed(helm, tmp_path), f"oci://{hub.host}/{repository}")
    digest = client.head(f"/v2/{repository}/tides/manifests/1.2.3").headers["Docker-Content-Digest"]
    told = helm.run("template", "--plain-http", f"oci://{hub.host}/{repository}/tides@{digest}", "--set", "depth=9")
    assert 'quay: "9"' in told


def test_a_provenance_file_goes_with_its_chart(
    helm: Helm, hub: Instance, client: Client, repository: str, tmp_path: Path
) -> None:
    place = f"oci://{hub.host}/{repository}"
    archive = packed(helm, tmp_path)
    archive.with_name(f"{archive.name}.prov").write_text("signed by the harbour master\n", "utf-8")
    push(helm, archive, place)
    layers = client.get(f"/v2/{repository}/tides/manifests/1.2.3").json["layers"]
    assert {layer["mediaType"] for layer in layers} == {CHART, PROVENANCE}
    (tmp_path / "back").mkdir()
    helm.run("pull", "--plain-http", "--prov", f"{place}/tides", "--version", "1.2.3", "--destination", str(tmp_path / "back"))
    assert (tmp_path / "back" / f"{archive.name}.prov").read_text("utf-8") == "signed by the harbour master\n"


@pytest.mark.single
def test_without_plain_http_it_says_that_this_is_no_https(helm: Helm, hub: Instance, repository: str, tmp_path: Path) -> None:
    told = helm.run("push", str(packed(helm, tmp_path)), f"oci://{hub.host}/{repository}", check=False)
    assert "server gave HTTP response to HTTPS client" in told


def test_pulling_a_chart_that_is_not_there_says_so(helm: Helm, hub: Instance, repository: str) -> None:
    told = helm.run("pull", "--plain-http", f"oci://{hub.host}/{repository}/tides", "--version", "1.2.3", check=False)
    assert "not found" in told
