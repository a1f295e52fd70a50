"""Sealed secrets: only the right key, for the right purpose, with every bit as it was."""

import pytest

from entrepot.platform.secrets.envelope import KeyRing, SecretKeyMissing, SecretUnreadable, key_id

pytestmark = pytest.mark.fast
OLD, NEW = bytes(range(32)), bytes(range(1, 33))
SECRET = b"hunter2 hunter2 hunter2"


@pytest.mark.parametrize("secret", [b"", b"x", SECRET, bytes(100_000)])
def test_what_was_sealed_opens(secret: bytes) -> None:
    ring = KeyRing([NEW])
    sealed = ring.seal(secret, "webhook 17")
    assert ring.open(sealed, "webhook 17") == secret
    assert len(sealed) == 1 + 8 + 12 + len(secret) + 16
    assert secret not in sealed or len(secret) < 2


def test_the_same_secret_never_looks_the_same() -> None:
    ring = KeyRing([NEW])
    assert len({ring.seal(SECRET, "a") for _ in range(100)}) == 100


def test_every_changed_bit_is_noticed() -> None:
    ring = KeyRing([NEW])
    sealed = ring.seal(b"secret", "a")
    for place in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises((SecretUnreadable, SecretKeyMissing)):
            ring.open(bytes(changed), "a")


@pytest.mark.parametrize("length", [0, 1, 8, 9, 20, 21, 36])
def test_what_is_too_short_is_unreadable(length: int) -> None:
    sealed = KeyRing([NEW]).seal(b"", "a")
    with pytest.raises(SecretUnreadable):
        KeyRing([NEW]).open(sealed[:length], "a")


def test_a_secret_that_was_moved_to_another_place_does_not_open() -> None:
    ring = KeyRing([NEW])
    with pytest.raises(SecretUnreadable, match="webhook 18"):
        ring.open(ring.seal(SECRET, "webhook 17"), "webhook 18")


def test_with_two_keys_the_first_seals_and_both_open() -> None:
    before, both, after = KeyRing([OLD]), KeyRing([NEW, OLD]), KeyRing([NEW])
    old = before.seal(SECRET, "a")
    assert both.open(old, "a") == SECRET
    assert (both.is_current(old), before.is_current(old)) == (False, True)
    again = both.seal(both.open(old, "a"), "a")
    assert both.is_current(again)
    assert after.open(again, "a") == SECRET
    with pytest.raises(SecretKeyMissing, match=key_id(OLD).hex()):
        after.open(old, "a")


def test_ids_tell_keys_apart_and_are_always_the_same() -> None:
    assert KeyRing([NEW, OLD]).ids == [key_id(NEW).hex(), key_id(OLD).hex()]
    assert key_id(OLD).hex() == "bba2213a38b265ba"


def test_an_envelope_of_this_version_opens_for_ever() -> None:
    sealed = bytes.fromhex("01bba2213a38b265ba7121b3846ae4a99e863e121bb630a893e01262b5ea2861f7d1d9243b004bc4d0")
    assert KeyRing([OLD]).open(sealed, "webhook 17") == b"kept"
