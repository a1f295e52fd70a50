"""What the registry asks to be done later, as jobs: a service enqueues them in the transaction that causes them."""

from typing import ClassVar, Final

from entrepot.platform.jobs import Job

COLLECT: Final = "collect"  # the key under which a deletion asks for a collection: one is enough for many
CLEAN_UP: Final = "clean-up"  # one of these at a time: they meet the same rows


class Collect(Job, frozen=True):
    """Take away links that nobody needs, and condemn blobs that nobody has."""

    kind: ClassVar[str] = "registry.collect"
    queue: ClassVar[str] = CLEAN_UP


class DeleteCondemned(Job, frozen=True):
    """Delete the bytes and rows of blobs that were condemned long enough ago."""

    kind: ClassVar[str] = "registry.delete_condemned"
    queue: ClassVar[str] = CLEAN_UP


class ExpireUploads(Job, frozen=True):
    """End uploads that nobody continued in time."""

    kind: ClassVar[str] = "registry.expire_uploads"
    queue: ClassVar[str] = CLEAN_UP


class DeleteOrphans(Job, frozen=True):
    """Delete what lies in the store and belongs to nobody."""

    kind: ClassVar[str] = "registry.delete_orphans"
    queue: ClassVar[str] = CLEAN_UP


class DeleteRepositories(Job, frozen=True):
    """Take away what is in repositories that were deleted."""

    kind: ClassVar[str] = "registry.delete_repositories"
    queue: ClassVar[str] = CLEAN_UP


class ForgetPulls(Job, frozen=True):
    """Delete who pulled what longer ago than is kept."""

    kind: ClassVar[str] = "registry.forget_pulls"
    queue: ClassVar[str] = CLEAN_UP


class NoteVersions(Job, frozen=True):
    """Note the versions of tags that a release before this one made."""

    kind: ClassVar[str] = "registry.note_versions"
    queue: ClassVar[str] = CLEAN_UP


class FindLeaders(Job, frozen=True):
    """Find out what was pulled most in the last week."""

    kind: ClassVar[str] = "registry.find_leaders"
    queue: ClassVar[str] = CLEAN_UP


class Scrub(Job, frozen=True):
    """Read every blob once, slowly, and set aside what is damaged."""

    kind: ClassVar[str] = "registry.scrub"
    queue: ClassVar[str] = "scrub"
