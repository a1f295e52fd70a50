"""Drawings follow from what they stand for."""

import pytest

from entrepot.web.hub.drawing import bars, mark

pytestmark = pytest.mark.fast


def test_bars_are_the_first_48_bits() -> None:
    frame = "M0 0h1v14H0zM2 0h1v14H2zM53 0h1v14h-1zM55 0h1v14h-1z"
    assert bars(f"sha256:{'0' * 64}") == frame
    assert bars(f"sha256:{'f' * 64}") == f"{frame}M4 0h48v14h-48z"
    assert bars(f"sha256:80000000000f{'0' * 52}") == f"{frame}M4 0h1v14h-1zM48 0h4v14h-4z"
    assert bars("sha512:" + "4" + "0" * 127) == f"{frame}M5 0h1v14h-1z"


def test_a_mark_is_the_same_for_the_same_name_and_has_its_letters() -> None:
    assert mark("team/post-gres") == mark("team/post-gres")
    assert [mark(name).letters for name in ("team/post-gres", "a", "x/_-9")] == ["PO", "A", "9"]
    assert {mark(f"name-{number}").colour for number in range(200)} == set(range(1, 9))
