"""Media types: which ones may be stored, and which layers need not be here."""

import string
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.spec.oci import media_types
from support.counts import examples

pytestmark = pytest.mark.fast

RESTRICTED: Final = frozenset(string.ascii_letters + string.digits + "!#$&^_.+-")
FIRST: Final = frozenset(string.ascii_letters + string.digits)


def is_restricted_name(text: str) -> bool:
    """Tell whether RFC 6838, 4.2 allows the text as one half of a media type."""
    return 1 <= len(text) <= 127 and text[0] in FIRST and set(text) <= RESTRICTED


@given(st.text("abZ9!#$&^_.+-/; \n<>é", max_size=20).map(lambda text: f"application/{text}"))
@settings(max_examples=examples(150, 10_000), deadline=None)
@example("application/" + "a" * 127)
@example("application/" + "a" * 128)
@example("application/json\n")
@example("text/html")
@example("Application/json")
@example("xapplication/json")
def test_only_application_types_of_the_allowed_characters_are_stored(text: str) -> None:
    kind, _, rest = text.partition("/")
    assert media_types.is_storable(text) == (kind == "application" and 1 <= len(rest) <= 127 and set(rest) <= RESTRICTED)


@given(st.text("aZ9+.-/ ;\n", max_size=12), st.text("aZ9+.-/ ;\n", max_size=12))
@settings(max_examples=examples(150, 10_000), deadline=None)
@example("a" * 127, "b" * 127)
@example("a" * 128, "b")
@example("a", "b" * 128)
def test_a_media_type_is_two_restricted_names(kind: str, rest: str) -> None:
    expected = "/" not in kind + rest and is_restricted_name(kind) and is_restricted_name(rest)
    assert media_types.is_media_type(f"{kind}/{rest}") == expected


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ],
)
def test_layers_that_may_not_be_distributed_lie_elsewhere(media_type: str) -> None:
    assert media_types.lies_elsewhere(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip ",
        "application/vnd.oci.image.layer.nondistributable.v1.tarx",
        "x/application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vndXdocker.image.rootfs.foreign.diff.tar",
        "",
    ],
)
def test_all_other_layers_must_be_here(media_type: str) -> None:
    assert not media_types.lies_elsewhere(media_type)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        (" Application/JSON ;x=y;z", "Application/JSON"),
        ("", ""),
        (";charset=utf-8", ""),
    ],
)
def test_parameters_of_a_content_type_do_not_matter(header: str, found: str) -> None:
    assert media_types.without_parameters(header) == found


def test_a_type_that_we_know_is_spelt_as_its_document_does_and_any_other_as_it_is() -> None:
    for known in (media_types.OCI_MANIFEST, media_types.DOCKER_LIST, *media_types.SCHEMA_1):
        assert media_types.spelt(known.upper()) == known
    assert media_types.spelt("application/vnd.Example.Thing+json") == "application/vnd.Example.Thing+json"


def test_the_types_are_those_of_the_specifications() -> None:
    assert sorted(media_types.MANIFESTS) == [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]
    assert sorted(media_types.INDEXES) == [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.index.v1+json",
    ]
    assert sorted(media_types.SCHEMA_1) == [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ]
