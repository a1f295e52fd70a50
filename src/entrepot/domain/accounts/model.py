"""Users, organisations, and what a credential allows at the most."""

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from entrepot.base.mailing import parse_address
from entrepot.domain.accounts.errors import EmailInvalid, TermsInvalid

# The first administrator: a name that no repository's may begin with, as /admin is an address of the hub's own.
ADMINISTRATOR: Final = "admin"
USER: Final = "user"
ORGANISATION: Final = "organisation"
DELETED: Final = "deleted"  # an organisation of which the name alone is left
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


class Language(StrEnum):
    """In which mail is written."""

    ENGLISH = "en"
    FRENCH = "fr"


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
    language: Language = Language.ENGLISH
    email_verified_at: int | None = None
    second_factor_at: int | None = None  # since when a code is asked for

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
    """What somebody is in a namespace; `kind` is empty when there is no such namespace.

    Whoever `lacks_factor` is in an organisation that asks its members for a second factor, and has none.
    """

    kind: str
    place: Place | None = None
    held: tuple[Held, ...] = ()
    lacks_factor: bool = False

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _WEIGHT


class Member(msgspec.Struct, frozen=True):
    """A user in an organisation, or an organisation that a user is in."""

    name: str
    place: Place
    joined_at: int


class Listed(msgspec.Struct, frozen=True):
    """An organisation as administrators see it in a list."""

    name: str
    created_at: int
    members: int


class Team(msgspec.Struct, frozen=True):
    """A team of an organisation."""

    id: int
    name: str
    description: str


class InTeam(msgspec.Struct, frozen=True):
    """A team that a user is in."""

    organisation: str
    team: str


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


class Expiring(msgspec.Struct, frozen=True):
    """A token or a robot that expires soon; `owner` is the name of the `namespace` that it belongs to."""

    id: str
    namespace: int
    owner: str
    name: str
    expires_at: int


class Purpose(StrEnum):
    """What a link is for."""

    USER = "account"
    MEMBER = "membership"
    ADDRESS = "address"
    RESET = "password reset"


INVITATIONS: Final = (Purpose.USER, Purpose.MEMBER)


class Link(msgspec.Struct, frozen=True):
    """A link that works once, without its secret.

    Whoever has one that `is_mailed` reads the mail of its address; one that `makes_account` may be used without having one.
    """

    id: str
    purpose: Purpose
    account: int | None
    namespace: int | None
    organisation: str | None  # the namespace's name
    email: str | None
    role: Place | None
    is_mailed: bool
    makes_account: bool
    created_by: str
    created_at: int = 0
    expires_at: int = 0
    used_at: int | None = None
    revoked_at: int | None = None
    inviter: int | None = None  # the account of whoever invites; None for a command


class Session(msgspec.Struct, frozen=True):
    """A browser that somebody is signed in with, without its secret."""

    id: str
    account: int
    created_at: int
    seen_at: int
    ends_at: int
    address: str
    agent: str


class Hub(msgspec.Struct, frozen=True):
    """What services need to know of the hub: its address, who may make accounts, and whether it can send mail."""

    url: str = "http://localhost:5000"
    signup: str = "closed"
    mails: bool = False


def parse_email(text: str) -> str:
    """Return an address as it is stored and compared: in lower case. Raises EmailInvalid."""
    try:
        return parse_address(text)
    except ValueError:
        raise EmailInvalid(email=text) from None


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
