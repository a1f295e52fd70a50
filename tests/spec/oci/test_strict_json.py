"""JSON that every reader understands alike."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.spec.oci.strict_json import MAX_DEPTH, SPEC_KEYS, JsonRefused, parse_object
from support.counts import examples

pytestmark = pytest.mark.fast

# Keys as users choose them: none of them is the specification's in any case.
KEY: Final = st.text(max_size=8).filter(lambda key: key.casefold() not in {known.casefold() for known in SPEC_KEYS})
VALUE: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEY, below, max_size=4),
    max_leaves=12,
)


def nested(levels: int, kind: str) -> bytes:
    """Return an object of so many levels, itself the first, of objects or lists."""
    opening, closing = ('{"a":', "}") if kind == "objects" else ("[", "]")
    return ('{"top":' + opening * (levels - 1) + "1" + closing * (levels - 1) + "}").encode()


@given(st.dictionaries(KEY, VALUE, max_size=5))
@settings(max_examples=examples(80, 5_000), deadline=None)
def test_an_ordinary_object_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize("key", sorted(SPEC_KEYS))
def test_the_keys_of_the_specification_are_accepted_as_they_are_written_there(key: str) -> None:
    assert parse_object(json.dumps({key: 1, "below": [{key: 2}]}).encode()) == {key: 1, "below": [{key: 2}]}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("Config", "config"),
        ("LAYERS", "layers"),
        ("mediatype", "mediaType"),
        ("MediaType", "mediaType"),
        ("schemaversion", "schemaVersion"),
        ("artifacttype", "artifactType"),
        ("Digest", "digest"),
        ("URLs", "urls"),
        ("OS.Version", "os.version"),
        ("manife\u017ft\u017f", "manifests"),
        ("\u017fubject", "subject"),
        ("dige\u017ft", "digest"),
        ("blob\u017f", "blobs"),
    ],
)
def test_a_key_in_another_case_is_refused_wherever_it_stands(key: str, meant: str) -> None:
    for value in ({key: 1}, {"x": {key: 1}}, {"x": [[{key: 1}]]}, {"annotations": {"x": {key: "1"}}}):
        for ascii_only in (True, False):
            with pytest.raises(JsonRefused, match=f"is '{meant}' in another case"):
                parse_object(json.dumps(value, ensure_ascii=ascii_only).encode())


def test_the_kelvin_sign_counts_as_a_k_and_other_letters_do_not() -> None:
    # None of the specification's keys has a k today, so that the sign is harmless in a key of the user's own.
    assert not any("k" in key.lower() for key in SPEC_KEYS)
    assert parse_object('{"\u212aey": 1}'.encode()) == {"\u212aey": 1}
    assert parse_object('{"conf\u0131g": 1}'.encode()) == {"conf\u0131g": 1}, "Go does not fold a dotless i"


def test_annotations_are_the_users_own_and_may_be_written_in_any_case() -> None:
    value = {"annotations": {"Config": "x", "MANIFESTS": "y", "config": "z"}}
    assert parse_object(json.dumps(value).encode()) == value
    below = {"layers": [{"annotations": {"Digest": "x"}}]}
    assert parse_object(json.dumps(below).encode()) == below


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"b":2,"a":3}',
        '{"x":{"a":1,"a":2}}',
        '{"x":[{"a":1,"a":2}]}',
        '{"annotations":{"a":"1","a":"2"}}',
        r'{"a":1,"\u0061":2}',
    ],
)
def test_a_repeated_key_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(JsonRefused, match="the key 'a' is repeated"):
        parse_object(text.encode())


@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_32_levels_are_accepted_and_33_are_not(kind: str) -> None:
    assert MAX_DEPTH == 32
    assert "top" in parse_object(nested(32, kind))
    for levels in (33, 34, 500, 100_000):
        with pytest.raises(JsonRefused, match="nests deeper than 32 levels"):
            parse_object(nested(levels, kind))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_of_json_are_refused(text: str) -> None:
    with pytest.raises(JsonRefused, match="is not a JSON number"):
        parse_object(f'{{"a": {text}}}'.encode())


@pytest.mark.parametrize(
    "content",
    [b"\xff", b'{"a": "\xc3"}', '{"a": 1}'.encode("utf-16"), b'{"a": "\xed\xa0\x80"}', b'{"a": "\xc0\xaf"}'],
)
def test_what_is_not_utf_8_is_refused(content: bytes) -> None:
    with pytest.raises(JsonRefused, match="it is not UTF-8"):
        parse_object(content)


@pytest.mark.parametrize("content", [b"[]", b"1", b'"x"', b"null", b"true", b'[{"a":1}]'])
def test_what_is_not_an_object_is_refused(content: bytes) -> None:
    with pytest.raises(JsonRefused, match="it is not an object"):
        parse_object(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b'{"a":}',
        b"{'a':1}",
        b'{"a":1}x',
        b'{"a":01}',
        b'{"a":1,}',
        b"{}{}",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\n"}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(JsonRefused, match="the body is not acceptable JSON"):
        parse_object(content)


def test_half_a_surrogate_pair_is_kept_and_a_refusal_that_names_it_can_be_written() -> None:
    assert parse_object(rb'{"a": "\ud800"}') == {"a": "\ud800"}
    with pytest.raises(JsonRefused) as refused:
        parse_object(rb'{"\ud800": 1, "\ud800": 2}')
    refused.value.message.encode("utf-8")


@given(st.binary(max_size=60) | st.text('{}[]":,a\\u0d8\n1e-', max_size=40).map(str.encode))
@settings(max_examples=examples(200, 50_000), deadline=None)
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        found = parse_object(content)
    except JsonRefused:
        return
    assert found == json.loads(content)
