"""Whatever is accepted means to Go's decoder, which most clients use, what it means here."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from entrepot.spec.oci import media_types
from entrepot.spec.oci.manifest import ManifestInvalid, parse
from entrepot.spec.oci.strict_json import parse_object
from support.counts import examples
from support.drawn import MANIFESTS, spoiled
from support.go_reader import GoReader
from support.images import INDEX, MANIFEST


@pytest.fixture(scope="module")
def go() -> Iterator[GoReader]:
    """Go's reader."""
    with GoReader() as reader:
        yield reader


SETTINGS = settings(
    max_examples=examples(200, 50_000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(made=spoiled())
@example(made=(MANIFEST, b'{"schemaVersion":2,"config":{},"Config":{}}'))
@SETTINGS
def test_what_is_accepted_is_read_alike_by_go_or_refused_by_it(go: GoReader, made: tuple[str, bytes]) -> None:
    header, content = made
    try:
        found = parse(header, content)
    except ManifestInvalid:
        return
    is_index = found.media_type in media_types.INDEXES
    if not is_index and found.media_type not in media_types.MANIFESTS:
        return
    reading = go.read(content, index=is_index)
    if reading.refused:
        return
    ours = {str(each.digest) for each in found.references}
    body = parse_object(content)
    # Fields of the other kind are checked here as well, and mean nothing to a client.
    strangers = ("layers", "config", "blobs") if is_index else ("manifests", "blobs")
    assert ours - _named(body, strangers) <= set(reading.digests) <= ours
    assert reading.subject == (str(found.subject) if found.subject else "")


@given(value=MANIFESTS)
@SETTINGS
def test_go_reads_every_well_formed_manifest_as_it_is_read_here(go: GoReader, value: dict[str, Any]) -> None:
    content = json.dumps(value).encode()
    found = parse(value["mediaType"], content)
    reading = go.read(content, index=found.media_type in media_types.INDEXES)
    assert reading.refused == ""
    assert set(reading.digests) == {str(each.digest) for each in found.references}
    assert reading.subject == (str(found.subject) if found.subject else "")


@pytest.mark.parametrize(
    "text",
    [
        '{"schemaVersion":2,"manifests":[],"manifests":[D]}',
        '{"schemaVersion":2,"manifests":[],"Manifests":[D]}',
        '{"schemaVersion":2,"manifests":[],"manife\u017fts":[D]}',
        '{"schemaVersion":2,"manifests":[],"MANIFE\\u017fTS":[D]}',
    ],
)
def test_go_would_read_what_is_refused_here(go: GoReader, text: str) -> None:
    digest = "sha256:" + "1" * 64
    content = text.replace("D", json.dumps({"mediaType": MANIFEST, "digest": digest, "size": 1})).encode()
    assert go.read(content, index=True).digests == [digest], "the reason for the refusal is gone"
    with pytest.raises(ManifestInvalid):
        parse(INDEX, content)


DIGEST = "sha256:" + "1" * 64
LAYER = json.dumps({"mediaType": MANIFEST, "digest": DIGEST, "size": 1})


@pytest.mark.parametrize(
    "text",
    [
        b'{"schemaVersion":2,"\\u0063onfig":D,"config":{},"layers":[]}',
        b'{"schemaVersion":2,"config":{},"\\u0043ONFIG":D,"layers":[]}',
        b'{"schemaVersion":2,"config":{},"layers":[],"layer\\u017f":[D]}',
        b'{"schemaVersion":2,"config":{},"layers":[],"LAYER\xc5\xbf":[D]}',
        b'{"schemaVersion":2,"config":D,"layers":[],"\\ud800":1,"\\ud800":2}',
        b'{"schemaVersion":2,"config":D,"layers":[],"x":"\xff"}',
        b'{"schemaVersion":2,"config":D,"layers":[],"x":"\xed\xa0\x80"}',
    ],
)
def test_go_would_read_an_image_that_is_refused_here(go: GoReader, text: bytes) -> None:
    content = text.replace(b"D", LAYER.encode())
    assert DIGEST in go.read(content, index=False).digests, "the reason for the refusal is gone"
    with pytest.raises(ManifestInvalid):
        parse(MANIFEST, content)


@pytest.mark.parametrize(
    "text",
    [
        b'{"schemaVersion":2,"config":D,"layers":[]}x',
        b'{"schemaVersion":2,"config":D,"layers":[]}{"config":D}',
        b'{"schemaVersion":2,"config":D,"layers":[]}\0',
        b'\xef\xbb\xbf{"schemaVersion":2,"config":D,"layers":[]}',
        b'{"schemaVersion":2,"config":D,"layers":[],}',
        b'{"schemaVersion":2e400,"config":D,"layers":[]}',
        b'{"schemaVersion":2.5,"config":D,"layers":[]}',
        b'{"schemaVersion":99999999999999999999,"config":D,"layers":[]}',
    ],
)
def test_both_refuse_what_is_no_manifest_to_either(go: GoReader, text: bytes) -> None:
    content = text.replace(b"D", LAYER.encode())
    assert go.read(content, index=False).refused
    with pytest.raises(ManifestInvalid):
        parse(MANIFEST, content)


def test_go_folds_the_kelvin_sign_and_no_key_of_the_specification_has_a_k(go: GoReader) -> None:
    content = '{"schemaVersion":2,"config":D,"layers":[],"\u212aey":1,"conf\u0131g":{}}'.replace("D", LAYER).encode()
    assert go.read(content, index=False).digests == [DIGEST]
    (config,) = parse(MANIFEST, content).references
    assert str(config.digest) == DIGEST


def _named(body: dict[str, Any], fields: tuple[str, ...]) -> set[str]:
    found = set()
    for field in fields:
        value = body.get(field)
        found |= {each["digest"] for each in (value if isinstance(value, list) else [value] if value else [])}
    return found
