"""Which passwords are taken."""

import time

import pytest

from entrepot.domain.accounts.errors import PasswordKnown, PasswordTooLong, PasswordTooShort
from entrepot.domain.accounts.passwords import MOST, check_password, normalized

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("password", ["correct horse battery", "läuft-morgen", "a1b2c3d4e5zz", "🦊🦊 zwei rote tiere"])
def test_any_long_password_that_nobody_tries_is_taken(password: str) -> None:
    assert check_password(password, ["ann", "ann", "example.com"]) == normalized(password)


@pytest.mark.parametrize("password", ["", "1234567", "äöüß123"])
def test_a_short_one_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooShort) as refused:
        check_password(password, [])
    assert f"has {len(password)} characters" in refused.value.message


def test_an_endless_one_is_refused() -> None:
    with pytest.raises(PasswordTooLong):
        check_password("x1y2" * MOST, [])


@pytest.mark.parametrize(
    "password",
    ["password", "Password123", "PASSWORD!", "12345678", "qwertyuiop1", "aaaaaaaaaaaa", "annexampleann1", "entrepot2026"],
)
def test_one_that_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordKnown):
        check_password(password, ["annexample", "mail.example.com"])


def test_the_same_letters_are_the_same_password_however_they_were_typed() -> None:
    assert check_password("cafe\u0301 bar baz", []) == check_password("caf\u00e9 bar baz", [])


def test_what_is_far_too_long_takes_no_time() -> None:
    text = "a" + "\u0315\u0300" * 100_000
    began = time.process_time()
    assert normalized(text) == text
    with pytest.raises(PasswordTooLong):
        check_password(text, ())
    assert time.process_time() - began < 1.0, "the normal form would take half a minute"
