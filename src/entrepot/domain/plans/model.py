"""Plans, limits on pulls, and the presets that an administrator chooses from."""

import re
from typing import Final

import msgspec

from entrepot.domain.plans.errors import PlanInvalid

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MOST: Final = 2**53  # what every reader of JSON can count to
_WEIGHT: Final = 700  # bytes of a remembered value, its key included


class PullLimit(msgspec.Struct, frozen=True):
    """How many pulls in six hours are allowed: to an address without a name, and to an account; None for any number.

    An account's plan says how many, where accounts are limited at all.
    """

    address: int | None
    account: int | None


PRESETS: Final = {
    # Docker Hub's from November 2020 on.
    "hub-2020": PullLimit(address=100, account=200),
    # Docker Hub's of 2026, which are the same: what was announced for April 2025 was never enforced.
    "hub-2026": PullLimit(address=100, account=200),
    "open": PullLimit(address=None, account=None),
}


class Plan(msgspec.Struct, frozen=True):
    """What a plan allows; None stands for any number. Storage is in bytes, pulls are those of an account in six hours."""

    name: str
    rank: int
    private_repositories: int | None
    storage_bytes: int | None
    pulls: int | None
    seats: int | None
    priority: int
    features: tuple[str, ...]


class Pulls(msgspec.Struct, frozen=True):
    """How much an account may pull in six hours; None stands for any number."""

    limit: int | None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


class Usage(msgspec.Struct, frozen=True):
    """What a namespace has of what its plan limits; storage is in bytes, each blob counted once; pulls are those of six hours."""

    plan: Plan
    private_repositories: int
    public_repositories: int
    storage_bytes: int
    seats: int
    pulls: int


def checked(plan: Plan) -> Plan:
    """Return a plan that can be kept. Raises PlanInvalid."""
    for what, names in (("name", (plan.name,)), ("feature", plan.features)):
        for name in names:
            if not _NAME.fullmatch(name):
                raise PlanInvalid(what=what, value=name, expected="at most 32 lower-case letters, digits and '-'")
    for what in ("private_repositories", "storage_bytes", "pulls", "seats", "rank", "priority"):
        value = getattr(plan, what)
        if value is not None and not 0 <= value <= _MOST:
            raise PlanInvalid(what=what.replace("_", " "), value=value, expected=f"a number from 0 to {_MOST}, or any")
    return plan
