"""Limits on pulls, and the presets that an administrator chooses from."""

from typing import Final

import msgspec


class PullLimit(msgspec.Struct, frozen=True):
    """How many pulls in six hours are allowed: to an address without a name, and to an account; None for any number."""

    address: int | None
    account: int | None


PRESETS: Final = {
    # Docker Hub's from November 2020 on.
    "hub-2020": PullLimit(address=100, account=200),
    "open": PullLimit(address=None, account=None),
}
