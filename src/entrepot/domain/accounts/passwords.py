"""Which passwords are taken: NIST SP 800-63B, 3.1.1.2, asks for a length and for a list of known ones, and for no other rule."""

import functools
import importlib.resources
import unicodedata
from collections.abc import Iterable
from typing import Final

from entrepot.domain.accounts.errors import PasswordKnown, PasswordTooLong, PasswordTooShort

LEAST: Final = 8
MOST: Final = 256
_LONGEST_TYPED: Final = 4 * MOST
_FEWEST_LETTERS: Final = 4
_SHORTEST_WORD: Final = 4


def normalized(password: str) -> str:
    """Return a password in the form that is hashed: keyboards write the same letters in several ways.

    What is far too long for a password stays as it is: its form would take time that grows with the square of its length.
    """
    return password if len(password) > _LONGEST_TYPED else unicodedata.normalize("NFKC", password)


def check_password(password: str, words: Iterable[str]) -> str:
    """Return a new password as it is hashed; `words` are what others know of its owner, as the name and the address of mail.

    Raises:
        PasswordTooShort, PasswordTooLong, PasswordKnown
    """
    password = normalized(password)
    if len(password) < LEAST:
        raise PasswordTooShort(length=len(password), least=LEAST)
    if len(password) > MOST:
        raise PasswordTooLong(most=MOST)
    plain = password.casefold()
    if plain in _known() or plain.rstrip("0123456789!.?") in _known():
        raise PasswordKnown(because="")
    if len(set(plain)) < _FEWEST_LETTERS:
        raise PasswordKnown(because=": it has the same few characters again and again")
    for word in (*(each.casefold() for each in words), "entrepot"):
        if len(word) >= _SHORTEST_WORD and word in plain and len(plain) - len(word) < LEAST:
            raise PasswordKnown(because=f": it is hardly more than '{word}'")
    return password


@functools.cache
def _known() -> frozenset[str]:
    text = importlib.resources.files("entrepot.domain.accounts").joinpath("known_passwords.txt").read_text("utf-8")
    return frozenset(text.split("\n"))
