"""Small objects in memory stay within their bytes, and those asked for last stay longest."""

import pytest

from entrepot.base.remembered import Remembered

pytestmark = pytest.mark.fast


def made(limit: int) -> Remembered[str, bytes]:
    """Make one of this size."""
    return Remembered(limit)


def test_what_was_put_is_returned() -> None:
    remembered = made(10)
    remembered.put("a", b"12345", len(b"12345"))
    assert remembered.get("a") == b"12345"
    assert remembered.get("b") is None


def test_the_limit_counts_bytes_and_is_reached_exactly() -> None:
    remembered = made(10)
    remembered.put("a", b"12345", len(b"12345"))
    remembered.put("b", b"67890", len(b"67890"))
    assert (remembered.get("a"), remembered.get("b")) == (b"12345", b"67890")


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    remembered = made(10)
    remembered.put("a", b"12345", len(b"12345"))
    remembered.put("b", b"67890", len(b"67890"))
    remembered.get("a")
    remembered.put("c", b"!", len(b"!"))
    assert (remembered.get("a"), remembered.get("b"), remembered.get("c")) == (b"12345", None, b"!")


def test_forgetting_makes_room_for_more() -> None:
    remembered = made(3)
    for number in range(1000):
        remembered.put(str(number), b"xyz", len(b"xyz"))
    assert [number for number in range(1000) if remembered.get(str(number))] == [999]


def test_what_was_cleared_takes_no_room() -> None:
    remembered = made(10)
    remembered.put("a", b"12345", 5)
    remembered.clear()
    assert remembered.get("a") is None
    remembered.put("b", b"12345", 5)
    remembered.put("c", b"67890", 5)
    assert (remembered.get("b"), remembered.get("c")) == (b"12345", b"67890")


def test_one_that_was_forgotten_takes_no_room_and_one_that_was_not_there_is_no_error() -> None:
    remembered = made(10)
    remembered.put("a", b"12345", 5)
    remembered.forget("a")
    remembered.forget("a")
    assert remembered.get("a") is None
    remembered.put("b", b"12345", 5)
    remembered.put("c", b"67890", 5)
    assert (remembered.get("b"), remembered.get("c")) == (b"12345", b"67890")
