"""Reading manifests: every rule of `entrepot.spec.oci.manifest`."""

import hashlib
import json
from typing import Any, Final

import pytest
from hypothesis import given, settings

from entrepot.spec.oci.manifest import MAX_REFERENCES, ManifestInvalid, Reference, SchemaOneRefused, parse
from support.counts import examples
from support.drawn import ARTIFACT, MANIFESTS, spoiled
from support.images import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST

pytestmark = pytest.mark.fast

CONFIG: Final = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "a" * 64, "size": 7}
LAYER: Final = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "b" * 64, "size": 9}
CHILD: Final = {"mediaType": MANIFEST, "digest": "sha256:" + "c" * 64, "size": 11}


def image(**more: Any) -> bytes:
    """Return an image manifest; a value of Ellipsis takes the key away."""
    value = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER], **more}
    return json.dumps({key: each for key, each in value.items() if each is not ...}).encode()


def index(**more: Any) -> bytes:
    """Return an index, changed in the same way."""
    value = {"schemaVersion": 2, "manifests": [CHILD], **more}
    return json.dumps({key: each for key, each in value.items() if each is not ...}).encode()


def refused(content_type: str, content: bytes) -> str:
    """Return why the manifest is refused."""
    with pytest.raises(ManifestInvalid) as error:
        parse(content_type, content)
    return error.value.message


def kinds(content_type: str, content: bytes) -> list[tuple[str, str]]:
    """Return kind and digest of everything that the manifest names."""
    return [(each.kind, str(each.digest)) for each in parse(content_type, content).references]


@pytest.mark.parametrize("media_type", [MANIFEST, DOCKER_MANIFEST])
def test_an_image_names_its_configuration_and_its_layers(media_type: str) -> None:
    found = parse(media_type, image())
    assert found.media_type == media_type
    assert [(each.kind, str(each.digest)) for each in found.references] == [
        ("config", CONFIG["digest"]),
        ("layer", LAYER["digest"]),
    ]
    assert str(found.digest) == f"sha256:{hashlib.sha256(image()).hexdigest()}"
    assert found.content == image()
    assert (found.subject, found.annotations) == (None, "")


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_LIST])
def test_an_index_names_its_members(media_type: str) -> None:
    assert kinds(media_type, index()) == [("child", CHILD["digest"])]
    assert parse(media_type, index(manifests=[])).references == ()


def test_an_artifact_of_any_type_names_its_blobs() -> None:
    body = json.dumps({"mediaType": ARTIFACT, "blobs": [LAYER]}).encode()
    assert kinds(ARTIFACT, body) == [("blob", LAYER["digest"])]
    assert parse(ARTIFACT, b"{}").references == ()


def test_the_digest_is_of_the_algorithm_that_was_asked_for() -> None:
    assert str(parse(MANIFEST, image(), "sha512").digest) == f"sha512:{hashlib.sha512(image()).hexdigest()}"


@pytest.mark.parametrize(
    ("header", "body", "found"),
    [
        ("", image(mediaType=MANIFEST), MANIFEST),
        ("", image(), MANIFEST),
        ("", index(), INDEX),
        ("", index(mediaType=DOCKER_LIST), DOCKER_LIST),
        (f"{MANIFEST}; charset=utf-8", image(mediaType=MANIFEST), MANIFEST),
        (MANIFEST, image(), MANIFEST),
        (MANIFEST, image(mediaType=""), MANIFEST),
    ],
)
def test_the_type_is_the_headers_or_the_bodys_or_guessed_from_its_keys(header: str, body: bytes, found: str) -> None:
    assert parse(header, body).media_type == found


def test_a_manifest_without_any_type_that_is_like_none_is_refused() -> None:
    assert "send one" in refused("", b"{}")
    assert "send one" in refused("", image(layers=...))
    assert "send one" in refused("", image(config=...))


def test_header_and_body_must_name_the_same_type() -> None:
    assert refused(INDEX, image(mediaType=MANIFEST)) == (
        f"the manifest is not valid: its mediaType is {MANIFEST}, but the Content-Type says {INDEX}"
    )
    assert "must be a string" in refused(MANIFEST, image(mediaType=7))


@pytest.mark.parametrize("header", ["text/html", "image/svg+xml", "application/", "application/a b", "application/x<y"])
def test_a_type_that_could_become_a_page_is_refused(header: str) -> None:
    assert "it cannot be stored as" in refused(header, b"{}")
    assert "it cannot be stored as" in refused("", json.dumps({"mediaType": header}).encode())


@pytest.mark.parametrize("kind", ["v1+json", "v1+prettyjws"])
def test_schema_1_is_refused_with_what_to_do(kind: str) -> None:
    media_type = f"application/vnd.docker.distribution.manifest.{kind}"
    for header, body in ((media_type, b"{}"), ("", json.dumps({"mediaType": media_type}).encode())):
        with pytest.raises(SchemaOneRefused, match=r"push with Docker 1\.10 or newer"):
            parse(header, body)
    for header in ("", "application/json", MANIFEST):
        with pytest.raises(SchemaOneRefused):
            parse(header, b'{"schemaVersion": 1, "fsLayers": []}')


def test_a_schema_version_of_1_beside_another_media_type_is_only_a_wrong_version() -> None:
    assert "'schemaVersion' must be 2" in refused(MANIFEST, image(mediaType=MANIFEST, schemaVersion=1))
    assert parse(ARTIFACT, json.dumps({"mediaType": ARTIFACT, "schemaVersion": 1}).encode()).media_type == ARTIFACT


@pytest.mark.parametrize("version", [..., None, 1.5, 2.0, 3, "2", [2]])
@pytest.mark.parametrize("media_type", [MANIFEST, DOCKER_MANIFEST, INDEX, DOCKER_LIST])
def test_the_schema_version_of_images_and_indexes_is_the_number_2(media_type: str, version: object) -> None:
    body = image(schemaVersion=version) if media_type in (MANIFEST, DOCKER_MANIFEST) else index(schemaVersion=version)
    assert "'schemaVersion' must be 2" in refused(media_type, body)


def test_what_makes_an_image_or_an_index_must_be_there() -> None:
    for media_type in (MANIFEST, DOCKER_MANIFEST):
        assert f"'config' is missing, which {media_type} requires" in refused(media_type, image(config=...))
        assert f"'config' is missing, which {media_type} requires" in refused(media_type, image(config=None))
    for media_type in (INDEX, DOCKER_LIST):
        assert f"'manifests' is missing, which {media_type} requires" in refused(media_type, index(manifests=...))
        assert parse(media_type, index(manifests=None)).references == (), "Go writes an empty list as null"


def test_an_image_may_have_no_layers() -> None:
    absent: tuple[object, ...] = ([], None, ...)
    for layers in absent:
        assert kinds(MANIFEST, image(layers=layers)) == [("config", CONFIG["digest"])]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mediaType": ...}, "'layers[1].mediaType' must be a string"),
        ({"mediaType": 1}, "'layers[1].mediaType' must be a string"),
        ({"size": ...}, "'layers[1].size' must be a number of bytes"),
        ({"size": -1}, "'layers[1].size' must be a number of bytes"),
        ({"size": True}, "'layers[1].size' must be a number of bytes"),
        ({"size": 1.0}, "'layers[1].size' must be a number of bytes"),
        ({"size": "1"}, "'layers[1].size' must be a number of bytes"),
        ({"size": 2**63}, "'layers[1].size' must be a number of bytes"),
        ({"digest": ...}, "'layers[1].digest' must be a string"),
        ({"digest": 1}, "'layers[1].digest' must be a string"),
        ({"digest": "sha256:bad"}, "'layers[1].digest': 'sha256:bad' is not a digest"),
        ({"digest": "md5:" + "a" * 32}, "'layers[1].digest': 'md5:"),
    ],
)
def test_every_rule_of_a_descriptor_is_told_with_its_place(change: dict[str, Any], reason: str) -> None:
    spoiled_layer = {key: each for key, each in {**LAYER, **change}.items() if each is not ...}
    assert reason in refused(MANIFEST, image(layers=[LAYER, spoiled_layer]))


def test_the_largest_and_smallest_sizes_are_accepted() -> None:
    for size in (0, 2**63 - 1):
        assert parse(MANIFEST, image(layers=[{**LAYER, "size": size}])).references


@pytest.mark.parametrize("value", [1, "x", [], True])
def test_what_must_be_a_descriptor_is_one(value: object) -> None:
    for field in ("config", "subject"):
        assert f"'{field}' must be a descriptor object" in refused(MANIFEST, image(**{field: value}))
    assert "'layers[0]' must be a descriptor object" in refused(MANIFEST, image(layers=[value]))
    assert "'manifests[0]' must be a descriptor object" in refused(INDEX, index(manifests=[value]))


@pytest.mark.parametrize("field", ["layers", "blobs", "manifests"])
@pytest.mark.parametrize("value", [{}, "x", 1, True])
def test_what_must_be_a_list_is_one(field: str, value: object) -> None:
    assert f"'{field}' must be a list" in refused(MANIFEST, image(**{field: value}))


@pytest.mark.parametrize("value", [[], [{"mediaType": MANIFEST, "digest": LAYER["digest"], "size": 1}]])
def test_what_is_an_image_to_some_readers_and_an_index_to_others_is_refused(value: list[object]) -> None:
    for media_type in (MANIFEST, INDEX):
        assert "readers would take it differently" in refused(media_type, image(manifests=value, mediaType=media_type))
    assert "readers would take it differently" in refused(INDEX, index(layers=[]))


def test_a_type_is_compared_without_its_case_and_kept_as_it_was_written() -> None:
    thing = "application/vnd.Example.Thing.v1+json"
    for header in (thing, thing.lower(), ""):
        assert parse(header, json.dumps({"mediaType": thing}).encode()).media_type == thing
    assert parse(thing, b"{}").media_type == thing
    assert parse(MANIFEST.upper(), image()).media_type == MANIFEST


def test_a_digest_that_is_required_once_is_required() -> None:
    linked = {**LAYER, "urls": ["https://example.com/layer"]}
    for layers in ([linked, LAYER], [LAYER, linked]):
        assert ("layer", LAYER["digest"]) in kinds(MANIFEST, image(layers=layers))


def test_layers_with_addresses_or_of_a_non_distributable_type_lie_elsewhere() -> None:
    foreign = {**LAYER, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
    linked = {**LAYER, "urls": ["https://example.com/layer"]}
    for layer in (foreign, linked):
        assert ("elsewhere", LAYER["digest"]) in kinds(MANIFEST, image(layers=[layer]))
    assert ("layer", LAYER["digest"]) in kinds(MANIFEST, image(layers=[{**LAYER, "urls": []}]))


def test_a_digest_that_is_named_twice_counts_once_and_as_what_it_was_first() -> None:
    both = {**CONFIG, "mediaType": LAYER["mediaType"]}
    assert kinds(MANIFEST, image(layers=[both, LAYER, LAYER])) == [("config", CONFIG["digest"]), ("layer", LAYER["digest"])]


def test_a_subject_is_told_apart_from_what_must_be_here() -> None:
    found = parse(MANIFEST, image(subject=CHILD))
    assert str(found.subject) == CHILD["digest"]
    assert CHILD["digest"] not in [str(each.digest) for each in found.references]
    assert parse(INDEX, index(subject=None)).subject is None
    assert "'subject.digest'" in refused(INDEX, index(subject={**CHILD, "digest": "x"}))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (image(), CONFIG["mediaType"]),
        (image(artifactType="application/vnd.x"), "application/vnd.x"),
        (image(artifactType=""), CONFIG["mediaType"]),
        (image(artifactType=None), CONFIG["mediaType"]),
        (image(config={**CONFIG, "mediaType": "not a type"}), ""),
        (image(config={**CONFIG, "mediaType": ""}), ""),
        (index(), ""),
        (index(artifactType="application/vnd.x"), "application/vnd.x"),
    ],
)
def test_the_artifact_type_is_the_declared_one_or_the_configurations(body: bytes, found: str) -> None:
    assert parse("", body).artifact_type == found


def test_an_artifact_type_that_is_no_media_type_is_refused() -> None:
    assert "artifactType 'x' is not a media type" in refused(MANIFEST, image(artifactType="x"))
    assert "'artifactType' must be a string" in refused(MANIFEST, image(artifactType=1))


def test_annotations_are_kept_as_ascii_text() -> None:
    own = {"a": "b", "é\x00": "\ud800"}
    kept = parse(MANIFEST, image(annotations=own)).annotations
    assert kept.isascii()
    assert "\x00" not in kept
    assert json.loads(kept) == own
    assert parse(MANIFEST, image(annotations={})).annotations == parse(MANIFEST, image(annotations=None)).annotations == ""


@pytest.mark.parametrize("value", [[], "x", 1, {"a": 1}, {"a": None}, {"a": "b", "c": ["d"]}])
def test_annotations_are_an_object_of_strings(value: object) -> None:
    assert "'annotations' must be an object of strings" in refused(MANIFEST, image(annotations=value))


def test_as_many_references_as_the_limit_are_accepted_and_one_more_is_not() -> None:
    layers = [{**LAYER, "digest": f"sha256:{place:064x}"} for place in range(MAX_REFERENCES)]
    assert len(parse(MANIFEST, image(layers=layers[:-1])).references) == MAX_REFERENCES
    assert f"it names {MAX_REFERENCES + 1} objects; at most {MAX_REFERENCES}" in refused(MANIFEST, image(layers=layers))


def test_json_that_is_refused_says_why_as_part_of_the_manifests_refusal() -> None:
    assert (
        refused(MANIFEST, b'{"a":1,"a":2}')
        == "the manifest is not valid: the body is not acceptable JSON: the key 'a' is repeated"
    )


@given(MANIFESTS)
@settings(max_examples=examples(80, 5_000), deadline=None)
def test_every_well_formed_manifest_is_accepted_with_all_that_it_names(value: dict[str, Any]) -> None:
    found = parse(value["mediaType"], json.dumps(value).encode())
    listed = [value["config"]] if "config" in value else []
    listed += [*value.get("layers", ()), *value.get("manifests", ())]
    assert {str(each.digest) for each in found.references} == {each["digest"] for each in listed}
    assert all(isinstance(each, Reference) for each in found.references)
    subject = value.get("subject")
    assert (str(found.subject) if found.subject else None) == (subject["digest"] if subject else None)


@given(spoiled())
@settings(max_examples=examples(150, 20_000), deadline=None)
def test_a_manifest_is_read_or_refused_and_nothing_else(made: tuple[str, bytes]) -> None:
    try:
        found = parse(*made)
    except ManifestInvalid as error:
        error.message.encode("utf-8")
    else:
        assert found.content == made[1]
