"""What the catalogue knows, as values."""

from enum import StrEnum
from typing import Final

import msgspec

from entrepot.spec.oci.names import LIBRARY

MOST_CATEGORIES: Final = 3
LONGEST_REPORT: Final = 2000


class Badge(StrEnum):
    """What an administrator may grant a namespace."""

    VERIFIED = "verified"
    SPONSORED = "sponsored"


class Kind(StrEnum):
    """Whose an image is: the hub's own, of somebody who was verified, of a project that is supported, or of anybody."""

    OFFICIAL = "official"
    VERIFIED = "verified"
    SPONSORED = "sponsored"
    COMMUNITY = "community"


class Granted(msgspec.Struct, frozen=True):
    """A badge of a namespace, what was checked before, by whom and when (microseconds UTC)."""

    namespace: str
    kind: Badge
    checked: str
    granted_by: str
    granted_at: int


class Reason(StrEnum):
    """What a report is about."""

    MALWARE = "malware"
    IMPERSONATION = "impersonation"
    ILLEGAL = "illegal"
    SECRET = "secret"  # noqa: S105 - what is in an image
    SPAM = "spam"
    OTHER = "other"


class ReportState(StrEnum):
    """What was decided about a report."""

    OPEN = "open"
    SETTLED = "settled"
    REJECTED = "rejected"


class Report(msgspec.Struct, frozen=True):
    """What somebody says is wrong with a repository, by its stored name then; '' as reporter is nobody who signed in.

    Times are microseconds UTC.
    """

    id: int
    repository: str
    reason: Reason
    words: str
    reporter: str
    network: str
    state: ReportState
    note: str
    made_at: int
    decided_by: str
    decided_at: int | None


class Category(msgspec.Struct, frozen=True):
    """A shelf, by which images are found; with titles in each language."""

    name: str
    english: str
    french: str
    rank: int = 0  # the order in which they are shown

    def title(self, language: str) -> str:
        """Return its title in a language."""
        return self.french if language == "fr" else self.english


class Image(msgspec.Struct, frozen=True):
    """What was read of an image: what a pull fetches, in bytes, who it runs as, and the labels that are known."""

    manifest: int
    platform: str = ""
    download_bytes: int = 0
    runs_as: str = ""
    labels: dict[str, str] = {}


class Variant(msgspec.Struct, frozen=True):
    """What a tag holds for one platform; `digest` is that of the image itself."""

    platform: str
    digest: str
    download_bytes: int


class Shelved(msgspec.Struct, frozen=True):
    """What the catalogue knows of a repository."""

    kind: Kind = Kind.COMMUNITY
    stars: int = 0
    categories: tuple[str, ...] = ()


class Unlooked(msgspec.Struct, frozen=True):
    """A manifest that nobody has looked into: the name of its repository, and the digest of its configuration if it has one."""

    id: int
    repository_id: int
    repository: str
    media_type: str
    content: bytes
    config: str


def kind_of(namespace: str, badges: tuple[str, ...]) -> Kind:
    """Return whose the images of a namespace are, by its name and the badges that it has."""
    if namespace == LIBRARY:
        return Kind.OFFICIAL
    if Badge.VERIFIED in badges:
        return Kind.VERIFIED
    return Kind.SPONSORED if Badge.SPONSORED in badges else Kind.COMMUNITY
