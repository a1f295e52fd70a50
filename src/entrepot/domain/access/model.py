"""Actors, actions, and the one table that says who may do what.

With `--access open` there are no accounts: whoever reaches the registry is the same actor, and may do everything. The front
(`entrepot.web.front`) sees to it that only those reach it who should. With `--access accounts` everybody has roles in a
repository, and what they sign in with may allow less.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from entrepot.domain.accounts.model import Grant, InNamespace, Place, Scope, Terms, matches, matches_any
from entrepot.domain.audit.model import NOWHERE, Author, Origin


class Action(StrEnum):
    """What can be done: the first five to a repository's content, the next three to it itself, the others to a namespace."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    LIST = "list repositories"
    DESCRIBE = "describe"
    CONFIGURE = "configure"
    REMOVE = "remove"
    GRANT = "grant access"
    CREATE = "create repositories"
    SEE_MEMBERS = "see members"
    MANAGE = "manage"
    ADMINISTER = "administer the hub"


class Role(StrEnum):
    """What somebody is to a repository or its namespace, the least first."""

    ANYONE = "anyone"  # to what is public
    READER = "reader"
    WRITER = "writer"
    MAINTAINER = "maintainer"
    MEMBER = "member"
    EDITOR = "editor"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    EVERYBODY = "everybody"  # where access is open


_WEIGHT: Final = 700  # bytes of a remembered value, its key included
_READS: Final = frozenset({Action.PULL})
_WRITES: Final = _READS | {Action.PUSH}
_MAINTAINS: Final = _WRITES | {Action.DELETE, Action.DESCRIBE, Action.CONFIGURE, Action.REMOVE}
_EDITS: Final = _MAINTAINS | {Action.GRANT, Action.CREATE, Action.SEE_MEMBERS}
_OWNS: Final = _EDITS | {Action.MANAGE}
_EVERYTHING: Final = frozenset(Action)

# Who may do what: the documentation prints this table.
ALLOWED: Final[dict[Role, frozenset[Action]]] = {
    Role.ANYONE: _READS | {Action.LIST},
    Role.READER: _READS,
    Role.WRITER: _WRITES,
    Role.MAINTAINER: _MAINTAINS,
    Role.MEMBER: frozenset({Action.SEE_MEMBERS}),
    Role.EDITOR: _EDITS,
    Role.OWNER: _OWNS,
    Role.ADMINISTRATOR: _EVERYTHING,
    Role.EVERYBODY: _EVERYTHING,
}
# What a token allows at the most, whoever it belongs to.
CEILINGS: Final[dict[Scope, frozenset[Action]]] = {
    Scope.PUBLIC_READ: frozenset({Action.LIST}),
    Scope.READ: _READS | {Action.LIST},
    Scope.WRITE: _WRITES | {Action.LIST, Action.CREATE},
    Scope.DELETE: _WRITES | {Action.LIST, Action.CREATE, Action.DELETE},
    Scope.ADMIN: _EVERYTHING,
}
_GRANTED: Final = {Grant.READ: Role.READER, Grant.WRITE: Role.WRITER, Grant.ADMIN: Role.MAINTAINER}
_PLACED: Final = {Place.MEMBER: Role.MEMBER, Place.EDITOR: Role.EDITOR, Place.OWNER: Role.OWNER}


# What a deletion by digest is about: all tags, whatever they are called. Only a pattern that stands for every tag has it.
EVERY_TAG: Final = ("",)


class Actor(msgspec.Struct, frozen=True):
    """Who asks: `name` is what is written into records.

    `account` is 0 for nobody in particular; `credential` the id of what they signed in with, if that is a token; `owner` the
    namespace that an organisation's token or a robot belongs to. `granted` is what a token of the registry's own is for, by the
    stored names of repositories; None where they came without one. `origin` is where they are, if that is recorded.
    """

    name: str
    account: int = 0
    generation: int = 0
    is_admin: bool = False
    credential: str = ""
    owner: str = ""
    terms: Terms | None = None
    granted: Mapping[str, frozenset[str]] | None = None
    origin: Origin = NOWHERE

    @property
    def author(self) -> Author:
        """Who they are in the audit log."""
        return Author(self.name, self.credential, self.origin)

    @property
    def is_somebody(self) -> bool:
        """Tell whether they signed in."""
        return bool(self.account or self.credential)


ANYONE: Final = Actor(name="anyone")


class Facts(msgspec.Struct, frozen=True):
    """What a decision about a repository leans on, beside the roles.

    `stored` is the name under which it is stored now, where it was looked up by a name: another one when that is a former name.
    What is not `there` would be made under `stored`.
    """

    public: bool
    archived: bool = False
    stored: str = ""
    there: bool = True

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


class View(msgspec.Struct, frozen=True):
    """Which repositories are listed to somebody: all, or what is public and what lies where they or their owner have a place."""

    everything: bool = False
    public: bool = True
    account: int = 0
    owner: str = ""

    @property
    def is_somebody(self) -> bool:
        """Tell whether anything may be seen that is not public."""
        return bool(self.account or self.owner)


def roles(actor: Actor, standing: InNamespace, repository: str) -> frozenset[Role]:
    """Return what an actor is to a repository, whose stored name is given, by what they are in its namespace.

    Where a second factor is asked for, whoever has none is nothing there until they have one.
    """
    namespace, _, name = repository.partition("/")
    found = set()
    if actor.is_admin:
        found.add(Role.ADMINISTRATOR)
    if not standing.lacks_factor:
        if standing.place is not None:
            found.add(_PLACED[standing.place])
        found |= {_GRANTED[held.role] for held in standing.held if matches(held.pattern, name)}
    if actor.terms is not None and actor.owner == namespace:
        if actor.terms.grants:
            found |= {_GRANTED[held.role] for held in actor.terms.grants if matches(held.pattern, name)}
        elif not actor.account:
            found.add(Role.EDITOR)  # an organisation's token: within its scope it does what the organisation does
    return frozenset(found)


def may(actor: Actor, action: Action, found: Collection[Role], repository: str = "", tags: Collection[str] = ()) -> bool:
    """Tell whether an actor with these roles may do it, with what they signed in with; `tags` are those that it is about."""
    if not any(action in ALLOWED[role] for role in found):
        return False
    terms = actor.terms
    if terms is None or terms.grants:  # a robot's rights are its grants
        return True
    if action not in CEILINGS[terms.scope]:
        return False
    if terms.repositories and not matches_any(terms.repositories, repository):
        return False
    return not terms.tags or _may_with(terms.tags, action, tags)


def _may_with(patterns: Collection[str], action: Action, tags: Collection[str]) -> bool:
    """Tell whether something may be done by a token that is for the tags of some patterns alone."""
    if action in (Action.REMOVE, Action.CONFIGURE):  # either is done to all tags
        return False
    return action not in (Action.PUSH, Action.DELETE) or all(matches_any(patterns, tag) for tag in tags)


class Mode(msgspec.Struct, frozen=True):
    """Whether anything may be changed, why not, and since when that is so (microseconds since 1970 UTC; 0: since ever)."""

    read_only: bool = False
    reason: str = ""
    changed_at: int = 0
