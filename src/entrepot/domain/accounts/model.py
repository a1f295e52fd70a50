"""Users, organisations, and what a credential allows at the most."""

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from entrepot.domain.accounts.errors import EmailInvalid, TermsInvalid

# The first administrator: a name that no repository's may begin with, as /admin is an address of the hub's own.
ADMINISTRATOR: Final = "admin"
USER: Final = "user"
ORGANISATION: Final = "organisation"
DELETED: Final = "deleted"  # an organisation of which the name alone is left
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]{1,64}@[^\s@<>\"',;:\\()\[\]]{1,190}")
_PATTERN: Final = re.compile(r"[a-z0-9._/*-]{1,255}")
_TAG_PATTERN: Final = re.compile(r"[A-Za-z0-9._*-]{1,128}")
_MOST_PATTERNS: Final = 50
_WEIGHT: Final = 2000  # bytes of a remembered value, its key included


class Place(StrEnum):
    """What somebody is in an organisation."""

    MEMBER = "member"
    EDITOR = "editor"
    OWNER = "owner"


class Grant(StrEnum):
    """What a team, a user or a robot may do with the repositories of a pattern."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Kind(StrEnum):
    """What a credential belongs to."""

    PERSONAL = "personal"
    ORGANISATION = "organisation"
    ROBOT = "robot"


class Scope(StrEnum):
    """What a token allows at the most; each one contains those before it."""

    PUBLIC_READ = "public-read"
    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMIN = "admin"


class Account(msgspec.Struct, frozen=True):
    """A user; times are microseconds since 1970 UTC."""

    id: int
    namespace: int
    name: str
    email: str | None
    is_admin: bool
    is_active: bool
    generation: int
    created_at: int
    signed_in_at: int | None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


class Held(msgspec.Struct, frozen=True):
    """A pattern of names behind a namespace, and what is granted there."""

    pattern: str
    role: Grant


class Terms(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a credential allows at the most: nothing means no limit but the scope's. `grants` are a robot's own rights."""

    scope: Scope = Scope.READ
    repositories: tuple[str, ...] = ()  # patterns of whole names
    tags: tuple[str, ...] = ()  # patterns
    networks: tuple[str, ...] = ()  # in CIDR notation
    grants: tuple[Held, ...] = ()


class InNamespace(msgspec.Struct, frozen=True):
    """What somebody is in a namespace; `kind` is empty when there is no such namespace."""

    kind: str
    place: Place | None = None
    held: tuple[Held, ...] = ()

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


class Member(msgspec.Struct, frozen=True):
    """A user in an organisation, or an organisation that a user is in."""

    name: str
    place: Place
    joined_at: int


class Team(msgspec.Struct, frozen=True):
    """A team of an organisation."""

    id: int
    name: str
    description: str


class Credential(msgspec.Struct, frozen=True):
    """A token or a robot, without its secret."""

    id: str
    kind: Kind
    owner: str  # the namespace's name
    account: int | None
    name: str
    terms: Terms
    created_by: str
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None
    used_from: str | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


def parse_email(text: str) -> str:
    """Return an address as it is stored and compared: in lower case. Raises EmailInvalid."""
    if not _EMAIL.fullmatch(text):
        raise EmailInvalid(email=text)
    return text.lower()


def check_pattern(pattern: str) -> str:
    """Return a pattern of repositories: names in which `*` stands for anything. Raises TermsInvalid."""
    if not _PATTERN.fullmatch(pattern):
        raise TermsInvalid(what="pattern of repositories", value=pattern, expected="a name, in which * stands for anything")
    return pattern


def checked(terms: Terms) -> Terms:
    """Return terms whose patterns and networks can be read. Raises TermsInvalid."""
    for what, values in (("repositories", terms.repositories), ("tags", terms.tags), ("networks", terms.networks)):
        if len(values) > _MOST_PATTERNS:
            raise TermsInvalid(what=f"list of {what}", value=f"{len(values)} long", expected=f"at most {_MOST_PATTERNS}")
    for pattern in (*terms.repositories, *(each.pattern for each in terms.grants)):
        check_pattern(pattern)
    for pattern in terms.tags:
        if not _TAG_PATTERN.fullmatch(pattern):
            raise TermsInvalid(what="pattern of tags", value=pattern, expected="a tag, in which * stands for anything")
    for network in terms.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise TermsInvalid(what="network", value=network, expected="an address or a network such as 10.1.0.0/16") from None
    return terms


def matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern, in which `*` stands for anything, is for the name; in time that grows with their lengths alone."""
    first, *others = pattern.split("*")
    if not others:
        return pattern == name
    if not name.startswith(first):
        return False
    place = len(first)
    for part in others[:-1]:
        found = name.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(name) - place >= len(others[-1]) and name.endswith(others[-1])


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Tell whether one of the patterns is for the name."""
    return any(matches(pattern, name) for pattern in patterns)
