"""The secrets of tokens: recognisable, and of one form."""

import re

import pytest

from entrepot.domain.accounts.model import Kind
from entrepot.domain.accounts.secrets import is_secret, new_secret, stored

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("kind", "prefix"), [(Kind.PERSONAL, "ent_pat"), (Kind.ORGANISATION, "ent_oat"), (Kind.ROBOT, "ent_rob")]
)
def test_each_kind_has_its_prefix_and_38_letters_and_digits(kind: Kind, prefix: str) -> None:
    secret = new_secret(kind)
    assert re.fullmatch(f"{prefix}_[0-9A-Za-z]{{38}}", secret)
    assert is_secret(secret)
    assert secret != new_secret(kind)


def test_what_differs_by_one_character_is_no_secret() -> None:
    secret = new_secret(Kind.PERSONAL)
    for place in range(len("ent_"), len(secret)):
        other = secret[:place] + ("A" if secret[place] != "A" else "B") + secret[place + 1 :]
        assert not is_secret(other)


@pytest.mark.parametrize("text", ["", "password", "ent_pat_", "ent_pat_" + "a" * 38, "dckr_pat_" + "a" * 27])
def test_a_password_is_no_secret(text: str) -> None:
    assert not is_secret(text)


def test_what_is_stored_tells_nothing_of_the_secret() -> None:
    assert re.fullmatch("[0-9a-f]{64}", stored("ent_pat_x"))
