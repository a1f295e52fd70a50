"""Small objects in memory stay within their bytes, and those asked for last stay longest."""

import pytest

from entrepot.platform.storage.remembered import Remembered

pytestmark = pytest.mark.fast


def test_what_was_put_is_returned() -> None:
    remembered = Remembered(10)
    remembered.put("a", b"12345")
    assert remembered.get("a") == b"12345"
    assert remembered.get("b") is None


def test_the_limit_counts_bytes_and_is_reached_exactly() -> None:
    remembered = Remembered(10)
    remembered.put("a", b"12345")
    remembered.put("b", b"67890")
    assert (remembered.get("a"), remembered.get("b")) == (b"12345", b"67890")


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    remembered = Remembered(10)
    remembered.put("a", b"12345")
    remembered.put("b", b"67890")
    remembered.get("a")
    remembered.put("c", b"!")
    assert (remembered.get("a"), remembered.get("b"), remembered.get("c")) == (b"12345", None, b"!")


def test_forgetting_makes_room_for_more() -> None:
    remembered = Remembered(3)
    for number in range(1000):
        remembered.put(str(number), b"xyz")
    assert [number for number in range(1000) if remembered.get(str(number))] == [999]
