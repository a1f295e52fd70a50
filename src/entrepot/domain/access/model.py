"""Actors, actions and the one table that says who may do what.

With `--access open` there are no accounts: whoever reaches the registry is the same actor, and may do everything. The front
(`entrepot.web.front`) sees to it that only those reach it who should.
"""

from enum import StrEnum
from typing import Final

import msgspec

from entrepot.domain.access.errors import Denied


class Action(StrEnum):
    """What can be done to a repository."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    LIST = "list repositories"


class Actor(msgspec.Struct, frozen=True):
    """Who asks: `name` is what is written into records."""

    name: str
    role: str


ANYONE: Final = Actor(name="anyone", role="anyone")

# role → the actions that it allows, for each mode of access.
ALLOWED: Final[dict[str, dict[str, frozenset[Action]]]] = {"open": {"anyone": frozenset(Action)}}


class Mode(msgspec.Struct, frozen=True):
    """Whether anything may be changed, why not, and since when that is so (microseconds since 1970 UTC; 0: since ever)."""

    read_only: bool = False
    reason: str = ""
    changed_at: int = 0


class Access(msgspec.Struct, frozen=True):
    """The rule in force."""

    mode: str

    def may(self, actor: Actor, action: Action) -> bool:
        """Tell whether the actor may do it."""
        return action in ALLOWED[self.mode].get(actor.role, frozenset())

    def require(self, actor: Actor, action: Action, repository: str) -> None:
        """Do nothing when the actor may.

        Raises:
            Denied: it may not.
        """
        if not self.may(actor, action):
            raise Denied(actor=actor.name, action=action.value, repository=repository)
