"""What forms say of an error: a word for its kind, which the templates put into a sentence of the reader's language."""

from collections.abc import Mapping
from typing import Final

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.domain.accounts.errors import (
    AccountUnknown,
    EmailInvalid,
    InvitationUnknown,
    LastOwner,
    MemberUnknown,
    NameTaken,
    PasswordKnown,
    PasswordTooLong,
    PasswordTooShort,
    RobotExists,
    TeamExists,
    TermsInvalid,
    TooMany,
    TooManySignIns,
)
from entrepot.domain.plans.errors import PlanRefused
from entrepot.domain.registry.errors import NameNotHeld, NamespaceNotEmpty, NamespaceTaken, NameTooLong, TooManyHeld
from entrepot.spec.oci.names import NameReserved, NamespaceInvalid

Words = Mapping[type[EntrepotError], str]
PASSWORDS: Final[Words] = {PasswordTooShort: "short", PasswordTooLong: "long", PasswordKnown: "known"}
# What a form about people, names and rights may be refused for.
REFUSALS: Final[Words] = {
    AccountUnknown: "user",
    MemberUnknown: "member",
    LastOwner: "owner",
    EmailInvalid: "email",
    InvitationUnknown: "invitation",
    NamespaceInvalid: "name",
    NameReserved: "taken",
    NameTaken: "taken",
    NamespaceTaken: "taken",
    TeamExists: "team",
    RobotExists: "robot",
    NameTooLong: "too long",
    NamespaceNotEmpty: "not empty",
    TooManyHeld: "held",
    NameNotHeld: "not held",
    TermsInvalid: "pattern",
    TooMany: "full",
    PlanRefused: "plan",
    TooManySignIns: "many",
}
REFUSED: Final = tuple(REFUSALS)
_FACTS: Final = ("name", "value", "email")
_UNUSABLE: Final = 422
_TOO_MANY: Final = 429


class Refusal(msgspec.Struct, frozen=True):
    """Why a form did nothing: a word, what it is about, what the plan says of it, and how long to wait."""

    word: str
    value: str = ""
    told: str = ""
    wait_s: int = 0

    @property
    def status(self) -> int:
        """The status of the page that says so."""
        return _TOO_MANY if self.word == "many" else _UNUSABLE


def refusal_of(error: EntrepotError) -> Refusal:
    """Return what is said of one of these errors."""
    value = next((str(error.facts[name]) for name in _FACTS if name in error.facts), "")
    wait_s = error.retry_after_s if isinstance(error, TooManySignIns) else 0
    return Refusal(word_of(error, REFUSALS), value, error.message if isinstance(error, PlanRefused) else "", wait_s or 0)


def word_of(error: EntrepotError, words: Words) -> str:
    """Return the word for an error of one of these kinds, or of one below it."""
    return next(words[kind] for kind in type(error).__mro__ if kind in words)
