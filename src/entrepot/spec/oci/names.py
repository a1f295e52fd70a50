"""Repository names, tags and references: distribution-spec 1.1, "Pulling manifests"; the only module that decides about names.

A single segment `x` means `library/x`: that is how it is stored, counted and listed, while answers use the form asked for.
"""

import re
from functools import lru_cache
from typing import Final, Self

import msgspec

from entrepot.base.errors import EntrepotError
from entrepot.spec.oci.digest import Digest

LIBRARY: Final = "library"
MAX_NAME_LENGTH: Final = 255
MAX_NAMESPACE_LENGTH: Final = 64
_REMEMBERED: Final = 4096
_NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_SEGMENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
# Paths of the hub's own pages and interfaces begin with these, so no repository may.
RESERVED: Final = frozenset(
    [
        "repositories",
        "namespaces",
        "users",
        "orgs",
        "auth",
        "access-tokens",
        "api_tokens",
        "search",
        "auditlogs",
        "scim",
        "accounts",
        "token",
        "api",
        "v1",
        "v2",
        "_trust",
        "_oci",
        "admin",
        "static",
        "health",
    ]
)


class NameInvalid(EntrepotError):
    """The text is not a repository name by the specification's grammar."""

    summary = (
        "'{name}' is not a repository name: use lower-case letters, digits and single '.', '_', '__' or '-' inside "
        "segments, '/' between segments, at most 255 characters in all"
    )


class NameReserved(NameInvalid):
    """The name begins with a word that the hub keeps for its own addresses."""

    summary = "'{name}' begins with a word that this registry keeps for its own addresses: choose another first segment"


class NamespaceInvalid(EntrepotError):
    """The text cannot be the name of a user, an organisation, a team or a robot."""

    summary = (
        "'{name}' cannot be the name of a user, an organisation, a team or a robot: use at most {limit} lower-case letters and "
        "digits, and single '.', '_', '__' or '-' between them"
    )


class TagInvalid(EntrepotError):
    """The text is not a tag by the specification's grammar."""

    summary = "'{tag}' is not a tag: use letters, digits, '_', '.' and '-', not beginning with '.' or '-', at most 128 characters"


class RepositoryName(msgspec.Struct, frozen=True):
    """A repository's name: `asked` as the client wrote it, `stored` as everything else knows it."""

    asked: str
    stored: str

    @classmethod
    @lru_cache(maxsize=_REMEMBERED)
    def parse(cls, text: str) -> Self:
        """Read `text` as a repository name; the last few thousand are remembered, since pulls ask for the same ones.

        Raises:
            NameInvalid: it does not match the grammar or is too long.
            NameReserved: its first segment (or the one after `library/`) is kept for the hub.
        """
        if not _NAME.fullmatch(text):
            raise NameInvalid(name=text)
        first, slash, rest = text.partition("/")
        stored = text if slash else f"{LIBRARY}/{text}"
        if len(stored) > MAX_NAME_LENGTH:
            raise NameInvalid(name=text)
        # `library/search` would be shown and pulled as `search`, so it is kept as well.
        if first in RESERVED or (first == LIBRARY and rest in RESERVED):
            raise NameReserved(name=text)
        return cls(text, stored)

    @property
    def namespace(self) -> str:
        """The first segment: the user or organisation that owns the repository."""
        return self.stored.partition("/")[0]


def parse_namespace(text: str) -> str:
    """Return `text` when a user or an organisation may have that name.

    Raises:
        NamespaceInvalid: it is no segment of a repository's name, or too long.
        NameReserved: the hub keeps the word for itself.
    """
    if parse_segment(text) in RESERVED:
        raise NameReserved(name=text)
    return text


def parse_segment(text: str) -> str:
    """Return `text` when it has the form of a segment of a name, as teams' and robots' names have it. Raises NamespaceInvalid."""
    if not _SEGMENT.fullmatch(text) or len(text) > MAX_NAMESPACE_LENGTH:
        raise NamespaceInvalid(name=text, limit=MAX_NAMESPACE_LENGTH)
    return text


def parse_tag(text: str) -> str:
    """Return `text` when it is a tag.

    Raises:
        TagInvalid: it does not match the grammar.
    """
    if not _TAG.fullmatch(text):
        raise TagInvalid(tag=text)
    return text


def parse_reference(text: str) -> Digest | str:
    """Read the last part of a manifest's path: a digest when it has a colon, else a tag.

    Raises:
        DigestInvalid, TagInvalid
    """
    return Digest.parse(text) if ":" in text else parse_tag(text)
