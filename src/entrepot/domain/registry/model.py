"""The registry's rows as values."""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from entrepot.domain.access.model import Facts

_HIDDEN: Final = Facts(public=False)
_OVERHEAD: Final = 700  # bytes that a row takes as a remembered value, its key included


class Home(msgspec.Struct, frozen=True):
    """A namespace as the place of repositories: `public` is what a push makes there, `ownerless` that its user was deleted."""

    id: int
    name: str
    kind: str
    public: bool
    ownerless: bool


class Located(msgspec.Struct, frozen=True):
    """Where a repository is: its id and its namespace's."""

    id: int
    namespace: int
    public: bool


class About(msgspec.Struct, frozen=True):
    """What is known of a repository beside its content; times are microseconds since 1970 UTC."""

    name: str
    public: bool
    created_at: int
    first_pushed_at: int | None
    archived_at: int | None
    description: str
    readme: str


class Former(msgspec.Struct, frozen=True):
    """A former name, what it leads to, and since when it is held."""

    name: str
    leads_to: str
    held_at: int


class StoredManifest(msgspec.Struct, frozen=True):
    """A manifest as it was pushed."""

    digest: str
    media_type: str
    size: int
    content: bytes
    facts: Facts = _HIDDEN

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return self.size + _OVERHEAD


class Pushed(msgspec.Struct, frozen=True):
    """What a manifest push did: `moved` are the tags that now point at it and did not before."""

    digest: str
    subject: str | None
    tags: tuple[str, ...]
    moved: tuple[str, ...]


class Link(msgspec.Struct, frozen=True):
    """A blob as one repository sees it."""

    blob: int
    size: int
    storage_key: str
    facts: Facts = _HIDDEN

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        return _OVERHEAD


class LiveBlob(msgspec.Struct, frozen=True):
    """A blob that can be linked; `size` is in bytes."""

    id: int
    storage_key: str
    size: int


class Condemned(msgspec.Struct, frozen=True):
    """A blob that is nobody's, whose bytes and row are to go; `size` is in bytes."""

    id: int
    storage_key: str
    size: int


class Upload(msgspec.Struct, frozen=True):
    """An upload's row: `received` bytes are durable under `handle`, and `hash_state` has seen just them.

    `storage_state` is what the store said of these bytes, and wants back with the handle. `held` is told where it was looked for
    only: a request has it, or had it and never let go.
    """

    id: str
    repository: int
    handle: str
    algorithm: str
    received: int
    hash_state: bytes | None
    storage_state: str | None = None
    held: bool = False


class Referrer(msgspec.Struct, frozen=True):
    """A manifest that names another one as its subject; `annotations` is JSON text, empty when there are none."""

    id: int
    digest: str
    media_type: str
    artifact_type: str
    size: int
    annotations: str


class Page(msgspec.Struct, frozen=True):
    """A part of a list of names, and whether there is more behind it."""

    names: list[str]
    more: bool


class Pulling(NamedTuple):
    """By what pulls are summed: whose namespace, since when (microseconds UTC), from which address, with which token, what."""

    owner: str
    began_at: int
    source: str
    credential: str
    repository: str


class Puller(StrEnum):
    """Who pulls: nobody in particular, somebody with their own name or token, or a program of an organisation's."""

    ANYONE = "anyone"
    PERSON = "person"
    ROBOT = "robot"


class Daily(NamedTuple):
    """By what pulls of a day are summed: the repository's name, the day from 1970 on (UTC), the image, and who pulled."""

    repository: str
    day: int
    digest: str
    who: str


class Day(msgspec.Struct, frozen=True):
    """Pulls of a repository in a day from 1970 on (UTC), by whom."""

    day: int
    who: str
    pulls: int


class RecentPulls(msgspec.Struct, frozen=True):
    """Pulls in the five minutes that began then (microseconds UTC); `token` is what `credential` is called, if it is one."""

    began_at: int
    source: str
    credential: str
    token: str | None
    repository: str
    pulls: int


class Listed(msgspec.Struct, frozen=True):
    """A repository as it is listed; times are microseconds UTC, `pushed_at` that of the last push, to the minute.

    `pulled_at` is None for one that was never pulled.
    """

    name: str
    public: bool
    created_at: int
    pushed_at: int
    pulls: int = 0
    pulled_at: int | None = None
    description: str = ""
    id: int = 0
    namespace: int = 0


class TagDetail(msgspec.Struct, frozen=True):
    """A tag and what it points at.

    `size` is the bytes of the manifest and of what it names itself: of an index, without its images. `pushed_at` is microseconds
    UTC.
    """

    name: str
    digest: str
    media_type: str
    artifact_type: str
    size: int
    pushed_by: str
    pushed_at: int


class TagOrder(StrEnum):
    """In which order tags are listed: by name, the newest version first, or what was pushed last first."""

    NAME = "name"
    VERSION = "version"
    PUSHED = "pushed"


class ListedTag(msgspec.Struct, frozen=True):
    """A tag in a list, and the manifest that it names; `pushed_at` is microseconds UTC."""

    name: str
    manifest: int
    digest: str
    media_type: str
    pushed_by: str
    pushed_at: int


class TagGroup(msgspec.Struct, frozen=True):
    """An image under the first of its tags, some of the tags on it, that one first, and how many there are."""

    first: ListedTag
    names: list[str]
    total: int


class TagMove(msgspec.Struct, frozen=True):
    """One move of a tag: None stands for not being there. `moved_at` is microseconds UTC."""

    name: str
    from_digest: str | None
    to_digest: str | None
    actor: str
    moved_at: int


class CheckedBlob(msgspec.Struct, frozen=True):
    """What a blob's row says of its bytes."""

    id: int
    digest: str
    size: int
    storage_key: str


class CheckedReference(msgspec.Struct, frozen=True):
    """What a manifest names, and whether the repository has it."""

    manifest: int
    digest: str
    kind: str
    repository: str
    manifest_digest: str
    is_there: bool


class Fault(msgspec.Struct, frozen=True):
    """Something that does not fit together: `kind` is missing, damaged, unreadable, manifest, reference or child."""

    kind: str
    what: str
    says: str
    set_aside: str = ""


class Mark(msgspec.Struct, frozen=True, order=True):
    """How far changes were read: the transaction, the id and the time of the last row (microseconds UTC)."""

    xact: int = 0
    id: int = 0
    at: int = 0


class Change(msgspec.Struct, frozen=True):
    """A repository that was changed, by the push of a manifest if it says which, and where that stands."""

    repository: int
    manifest: int | None
    mark: Mark
