"""What forms say of an error: a word for its kind, which the templates put into a sentence of the reader's language."""

from collections.abc import Mapping
from typing import Final

from entrepot.base.errors import EntrepotError
from entrepot.domain.accounts.errors import PasswordKnown, PasswordTooLong, PasswordTooShort

Words = Mapping[type[EntrepotError], str]
PASSWORDS: Final[Words] = {PasswordTooShort: "short", PasswordTooLong: "long", PasswordKnown: "known"}


def word_of(error: EntrepotError, words: Words) -> str:
    """Return the word for an error of one of these kinds, or of one below it."""
    return next(words[kind] for kind in type(error).__mro__ if kind in words)
