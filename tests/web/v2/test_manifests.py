"""Manifests: what a push stores and refuses, and what a pull gives back."""

from typing import Any, Final

import pytest

from support import images
from support.drawn import ARTIFACT
from support.images import CONFIG, DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER_GZIP, MANIFEST
from support.wire import SAFE, Repository, descriptor, digest_of, encoded, plain_headers

ABSENT: Final = descriptor(b"never pushed by any test")
NEWLINES: Final = b'{\n  "schemaVersion": 2 ,\r\n\t"manifests": []\n}\n'


def image(repo: Repository, media_type: str = MANIFEST, **more: Any) -> bytes:
    """Push a configuration and a layer; return a manifest that names them."""
    config, layer = repo.blob(b"{}", CONFIG), repo.blob(b"layer")
    return encoded({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer], **more})


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_pushed_by_digest_is_given_back_byte_by_byte(repo: Repository, algorithm: str) -> None:
    digest = digest_of(NEWLINES, algorithm)
    answer = repo.put(digest, NEWLINES, INDEX)
    assert (answer.status, answer.content) == (201, b"")
    assert answer.headers["Location"] == repo.at(f"manifests/{digest}")
    assert answer.headers["Docker-Content-Digest"] == digest
    pulled = repo.client.get(answer.headers["Location"])
    assert (pulled.status, pulled.content) == (200, NEWLINES)
    about = {
        "content-type": INDEX,
        "content-length": str(len(NEWLINES)),
        "docker-content-digest": digest,
        "etag": f'"{digest}"',
    }
    found = plain_headers(pulled)
    found.pop("server", None)
    assert found == {**about, **SAFE}


def test_a_manifest_pushed_by_tag_is_given_under_tag_and_digest(repo: Repository) -> None:
    manifest = image(repo)
    answer = repo.put("v1", manifest)
    assert answer.headers["Docker-Content-Digest"] == digest_of(manifest)
    assert answer.headers["Location"] == repo.at(f"manifests/{digest_of(manifest)}")
    by_tag, by_digest = (repo.client.get(repo.at(f"manifests/{name}")) for name in ("v1", digest_of(manifest)))
    assert by_tag.content == by_digest.content == manifest
    assert plain_headers(by_tag) == plain_headers(by_digest)


def test_head_is_get_without_the_body(repo: Repository) -> None:
    digest = digest_of(repo.image("v1"))
    for reference in ("v1", digest, "absent", digest_of(b"x"), "sha256:bad", ".bad"):
        for headers in ({}, {"If-None-Match": f'"{digest}"'}, {"Accept": "text/html"}):
            path = repo.at(f"manifests/{reference}")
            whole, head = repo.client.get(path, headers=headers), repo.client.head(path, headers=headers)
            assert (head.status, head.content) == (whole.status, b"")
            assert plain_headers(head) == plain_headers(whole)


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", DOCKER_MANIFEST, f"{INDEX};q=0.5, {DOCKER_LIST}"])
def test_the_stored_type_is_served_whatever_is_accepted(repo: Repository, accept: str | None) -> None:
    manifest = repo.image("v1")
    answer = repo.client.get(repo.at("manifests/v1"), headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.headers["Content-Type"], answer.content) == (200, MANIFEST, manifest)


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}", '"x", "{}"', "*"])
def test_a_client_that_has_the_manifest_is_told_so(repo: Repository, form: str) -> None:
    digest = digest_of(repo.image("v1"))
    for reference in ("v1", digest):
        answer = repo.client.get(repo.at(f"manifests/{reference}"), headers={"If-None-Match": form.format(digest)})
        assert (answer.status, answer.content) == (304, b"")
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Docker-Content-Digest"] == digest
    assert repo.client.get(repo.at("manifests/v1"), headers={"If-None-Match": '"sha256:x"'}).status == 200


@pytest.mark.parametrize("docker", [True, False])
def test_images_for_several_platforms_are_pushed_and_pulled_whole(repo: Repository, *, docker: bool) -> None:
    index = images.multi_platform(7, docker=docker)
    images.push(repo.client, repo.name, index, "multi")
    pulled = repo.client.get(repo.at("manifests/multi"))
    assert pulled.headers["Content-Type"] == (DOCKER_LIST if docker else INDEX)
    for entry in pulled.json["manifests"]:
        child = repo.client.get(repo.at(f"manifests/{entry['digest']}"))
        assert (digest_of(child.content), len(child.content)) == (entry["digest"], entry["size"])
        assert child.headers["Content-Type"] == (DOCKER_MANIFEST if docker else MANIFEST)
        assert all(repo.has_blob(layer["digest"]) for layer in child.json["layers"])


def test_an_index_of_indexes_is_stored(repo: Repository) -> None:
    inner = repo.index("inner", repo.image("v1"))
    outer = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(inner, INDEX)]})
    assert repo.put("outer", outer, INDEX).status == 201
    assert repo.client.get(repo.at("manifests/outer")).content == outer


def test_a_manifest_that_names_absent_blobs_is_refused_with_each_of_their_digests(repo: Repository) -> None:
    absent = [descriptor(bytes([number])) for number in range(5)]
    manifest = image(repo, layers=[*absent, repo.blob(b"layer")])
    answer = repo.put("v1", manifest)
    assert answer.status == 400
    assert {error["code"] for error in answer.json["errors"]} == {"MANIFEST_BLOB_UNKNOWN"}
    named = [error["detail"]["digest"] for error in answer.json["errors"]]
    assert sorted(named) == sorted(each["digest"] for each in absent)
    assert all(digest in error["message"] for digest, error in zip(named, answer.json["errors"], strict=True))
    assert repo.client.get(repo.at("manifests/v1")).status == 404


def test_the_configuration_and_an_indexs_members_must_be_here_too(repo: Repository) -> None:
    index = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**ABSENT, "mediaType": MANIFEST}]})
    artifact = encoded({"mediaType": ARTIFACT, "blobs": [ABSENT]})
    for content, media_type in ((image(repo, config=ABSENT), MANIFEST), (index, INDEX), (artifact, ARTIFACT)):
        answer = repo.put("v1", content, media_type)
        assert (answer.status, answer.error_code) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_what_another_repository_has_is_not_here(repo: Repository) -> None:
    manifest = repo.image("v1", seed=repo.name)
    other = Repository(repo.client, f"{repo.name}/other")
    answer = other.put("v1", manifest)
    assert (answer.status, answer.error_code) == (400, "MANIFEST_BLOB_UNKNOWN")
    index = encoded({"schemaVersion": 2, "manifests": [descriptor(manifest, MANIFEST)]})
    assert other.put("v1", index, INDEX).error_code == "MANIFEST_BLOB_UNKNOWN"


def test_layers_that_may_not_be_distributed_need_not_be_here(repo: Repository) -> None:
    foreign = {**ABSENT, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
    oci = {**descriptor(b"other"), "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}
    linked = {**descriptor(b"third"), "urls": ["https://example.com/layer"]}
    manifest = image(repo, layers=[foreign, oci, linked])
    assert repo.put("v1", manifest).status == 201
    assert repo.client.get(repo.at("manifests/v1")).content == manifest


def test_an_index_may_name_blobs_as_buildkits_cache_does(repo: Repository) -> None:
    cache = "application/vnd.buildkit.cacheconfig.v0"
    members = [repo.blob(b"layer"), repo.blob(b"cache", cache)]
    index = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": members})
    assert repo.put("cache", index, INDEX).status == 201
    refused = repo.client.delete(repo.at(f"blobs/{members[0]['digest']}"))
    assert (refused.status, refused.error_code) == (405, "UNSUPPORTED")


def test_any_artifact_is_stored_like_an_image(repo: Repository) -> None:
    empty = repo.blob(b"{}", "application/vnd.oci.empty.v1+json")
    helm = image(repo, config=repo.blob(b"chart", "application/vnd.cncf.helm.config.v1+json"), own=[1, {"y": None}])
    bare = encoded(
        {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.x", "config": empty, "layers": []}
    )
    old = encoded({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": [empty]})
    for content, media_type in ((helm, MANIFEST), (bare, MANIFEST), (old, "application/vnd.oci.artifact.manifest.v1+json")):
        assert repo.put("thing", content, media_type).status == 201
        pulled = repo.client.get(repo.at("manifests/thing"))
        assert (pulled.content, pulled.headers["Content-Type"]) == (content, media_type)


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "text/html; charset=utf-8", "application/", "x"])
def test_a_type_that_a_browser_could_show_is_refused(repo: Repository, media_type: str) -> None:
    answer = repo.put("v1", b"{}", media_type)
    assert (answer.status, answer.error_code) == (400, "MANIFEST_INVALID")


def test_schema_1_is_refused_with_what_to_do(repo: Repository) -> None:
    body = encoded({"schemaVersion": 1, "name": "x", "fsLayers": [], "signatures": []})
    for kind in ("v1+json", "v1+prettyjws"):
        answer = repo.put("v1", body, f"application/vnd.docker.distribution.manifest.{kind}")
        assert (answer.status, answer.error_code) == (400, "MANIFEST_INVALID")
        assert "push with Docker 1.10 or newer" in answer.json["errors"][0]["message"]


def test_parameters_of_the_content_type_are_dropped(repo: Repository) -> None:
    assert repo.put("v1", image(repo), f"{MANIFEST}; charset=utf-8").status == 201
    assert repo.client.get(repo.at("manifests/v1")).headers["Content-Type"] == MANIFEST


def test_without_a_content_type_the_bodys_own_counts(repo: Repository) -> None:
    path = repo.at("manifests/v1")
    assert repo.client.put(path, body=image(repo, DOCKER_MANIFEST)).status == 201
    assert repo.client.get(path).headers["Content-Type"] == DOCKER_MANIFEST
    assert repo.client.put(path, body=NEWLINES).status == 201
    assert repo.client.get(path).headers["Content-Type"] == INDEX


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b"\xff", b'{"a":1,"a":1}', rb'{"\ud800":1,"\ud800":1}'])
@pytest.mark.parametrize("padding", [0, 200_000])
def test_what_is_not_acceptable_json_is_refused_however_large(repo: Repository, content: bytes, padding: int) -> None:
    answer = repo.put("v1", content + b" " * padding)
    assert (answer.status, answer.error_code) == (400, "MANIFEST_INVALID")
    assert "the body is not acceptable JSON" in answer.json["errors"][0]["message"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_under_a_digest_that_is_not_its_own_is_refused(repo: Repository, algorithm: str) -> None:
    manifest = image(repo)
    answer = repo.put(digest_of(b"other", algorithm), manifest)
    assert (answer.status, answer.error_code) == (400, "DIGEST_INVALID")
    assert digest_of(manifest, algorithm) in answer.json["errors"][0]["message"]


@pytest.mark.parametrize(
    ("reference", "code"),
    [("sha256:bad", "DIGEST_INVALID"), ("md5:" + "0" * 32, "DIGEST_INVALID"), (".v1", "TAG_INVALID"), ("v" * 129, "TAG_INVALID")],
)
def test_a_reference_that_is_none_is_refused(repo: Repository, reference: str, code: str) -> None:
    for answer in (repo.put(reference, b"{}"), repo.client.get(repo.at(f"manifests/{reference}"))):
        assert (answer.status, answer.error_code) == (400, code)


def test_a_missing_manifest_is_told_apart_from_a_missing_repository(repo: Repository) -> None:
    for reference, code in (("v1", "NAME_UNKNOWN"), (digest_of(b"x"), "NAME_UNKNOWN")):
        assert repo.client.get(repo.at(f"manifests/{reference}")).error_code == code
    repo.image("other")
    for reference in ("v1", digest_of(b"x")):
        for method in ("GET", "DELETE"):
            answer = repo.client.request(method, repo.at(f"manifests/{reference}"))
            assert (answer.status, answer.error_code) == (404, "MANIFEST_UNKNOWN")
            assert reference in answer.json["errors"][0]["message"]


def test_a_deleted_manifest_takes_all_its_tags_along(repo: Repository) -> None:
    digest = digest_of(repo.image("a", "b", seed="first"))
    repo.image("c", seed="second")
    answer = repo.client.delete(repo.at(f"manifests/{digest}"))
    assert (answer.status, answer.content) == (202, b"")
    for reference in ("a", "b", digest):
        assert repo.client.get(repo.at(f"manifests/{reference}")).error_code == "MANIFEST_UNKNOWN"
    assert repo.tags() == ["c"]
    assert repo.client.delete(repo.at(f"manifests/{digest}")).error_code == "MANIFEST_UNKNOWN"


def test_a_manifest_can_be_pushed_again_after_its_deletion(repo: Repository) -> None:
    manifest = repo.image("v1")
    repo.client.delete(repo.at(f"manifests/{digest_of(manifest)}"))
    assert repo.put("v1", manifest).status == 201
    assert repo.client.get(repo.at("manifests/v1")).content == manifest


def test_the_short_name_and_the_full_name_of_library_give_the_same(repo: Repository) -> None:
    short, full = Repository(repo.client, "hello"), Repository(repo.client, "library/hello")
    manifest = short.image("v1", seed=LAYER_GZIP)
    assert full.client.get(full.at("manifests/v1")).content == manifest
    pushed = full.put("v2", manifest)
    assert pushed.headers["Location"] == full.at(f"manifests/{digest_of(manifest)}")
    assert short.put("v3", manifest).headers["Location"] == short.at(f"manifests/{digest_of(manifest)}")
    assert short.tags() == full.tags() == ["v1", "v2", "v3"]
