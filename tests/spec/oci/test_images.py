"""What is read of images: texts and sizes that can be stored, whatever was pushed."""

import pytest

from entrepot.spec.oci.images import document, download_bytes, pairs, platform, text

pytestmark = pytest.mark.fast
_LARGEST = (1 << 63) - 1


def test_sizes_that_were_made_to_break_a_database_are_cut() -> None:
    layers = [{"size": _LARGEST}, {"size": _LARGEST}, {"size": -1}, {"size": "7"}, {}, None]
    assert download_bytes({"layers": layers, "config": {"size": 5}}, 10) == _LARGEST
    assert download_bytes({"layers": "none", "config": 3}, 10) == 10


def test_texts_have_no_control_characters_and_an_end() -> None:
    assert text("a\0b\x1b[31m") == "a b [31m"
    assert text("a\tb\nc") == "a\tb\nc"
    assert len(text("x" * 5_000)) == 2_000
    assert text("\ud800") == "?"
    assert text(7) == ""


def test_platforms_and_labels_are_read_as_far_as_they_can_be() -> None:
    assert platform({"os": "linux", "architecture": "arm", "variant": "v7"}) == "linux/arm/v7"
    assert platform({"os": 1, "architecture": ""}) == ""
    assert platform("linux") == ""
    assert pairs({"a": "b", "c": 1}, 5) == {"a": "b"}
    assert pairs([], 5) == {}
    assert document(b'{"a":1,"a":2}') == {}
