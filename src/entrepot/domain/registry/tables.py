"""The registry's tables as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import Column, ForeignKey, MetaData, Table, UniqueConstraint

from entrepot.domain.accounts.tables import namespace
from entrepot.platform.db.columns import BIG, UNRECALLED, content, exact, instant, key, number

METADATA: Final = MetaData()

repository: Final = Table(
    "repository",
    METADATA,
    key(),
    number("namespace", ForeignKey(namespace.c.id)),
    exact("name", unique=True),
    exact("visibility"),
    instant("created_at"),
    instant("first_pushed_at", nullable=True),
    instant("uploaded_at", nullable=True),  # when an upload ended last, to the minute: its push may still go on
    instant("archived_at", nullable=True),  # since then it can only be read
    exact("description", nullable=True),
    exact("readme", nullable=True),
)
# Names that a repository had before it was renamed or went elsewhere, behind the namespace that it was in: they lead to it.
repository_alias: Final = Table(
    "repository_alias",
    METADATA,
    number("namespace", ForeignKey(namespace.c.id), primary_key=True),
    exact("path", primary_key=True),
    number("repository", ForeignKey("repository.id")),
    instant("made_at"),
)
blob: Final = Table(
    "blob",
    METADATA,
    key(),
    exact("digest"),
    number("size"),
    exact("storage_key", unique=True),
    instant("created_at"),
    instant("condemned_at", nullable=True),
)
repository_blob: Final = Table(
    "repository_blob",
    METADATA,
    number("repository", ForeignKey("repository.id"), primary_key=True),
    number("blob", ForeignKey("blob.id"), primary_key=True),
    instant("touched_at"),
)
manifest: Final = Table(
    "manifest",
    METADATA,
    key(),
    number("repository", ForeignKey("repository.id")),
    exact("digest"),
    exact("media_type"),
    exact("artifact_type"),
    exact("subject", nullable=True),
    exact("annotations"),
    number("size"),
    content("content"),
    exact("pushed_by"),
    instant("pushed_at"),
    UniqueConstraint("repository", "digest"),
)
manifest_reference: Final = Table(
    "manifest_reference",
    METADATA,
    number("manifest", ForeignKey("manifest.id"), primary_key=True),
    exact("digest", primary_key=True),
    number("repository", ForeignKey("repository.id")),
    exact("kind"),
)
tag: Final = Table(
    "tag",
    METADATA,
    number("repository", ForeignKey("repository.id"), primary_key=True),
    exact("name", primary_key=True),
    number("manifest", ForeignKey("manifest.id")),
    instant("pushed_at"),
    exact("version", nullable=True),  # what sorts like the version that it begins with; the release before noted none
)
# How often it was pulled; without a row never. Pushes lock a repository's row, and are not to wait for counts.
pull_total: Final = Table(
    "pull_total",
    METADATA,
    number("repository", ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    number("pulls"),
    instant("pulled_at"),
    info=UNRECALLED,
)
# Of the last hours, in spans of five minutes: whose (the name of a namespace), from where, with what, and of which repository.
recent_pull: Final = Table(
    "recent_pull",
    METADATA,
    exact("owner", primary_key=True),
    Column("began_at", BIG, primary_key=True, autoincrement=False),
    exact("source", primary_key=True),
    exact("credential", primary_key=True),  # '' for a password
    exact("repository", primary_key=True),
    number("pulls"),
    info=UNRECALLED,
)
# Pulls of a day, counted from 1970, of each image of a repository, by whom: nobody in particular, a person, a program.
pull_day: Final = Table(
    "pull_day",
    METADATA,
    number("repository", ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    Column("day", BIG, primary_key=True, autoincrement=False),
    exact("digest", primary_key=True),
    exact("who", primary_key=True),
    number("pulls"),
    info=UNRECALLED,
)
# The public repositories that were pulled most in a week; a job looks for them every few minutes.
pull_leader: Final = Table(
    "pull_leader",
    METADATA,
    number("repository", ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    number("place"),
    number("pulls"),
    info=UNRECALLED,
)
# How often a tag was asked for, of an image or of an index of images, and when last.
tag_pull: Final = Table(
    "tag_pull",
    METADATA,
    number("repository", ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    exact("tag", primary_key=True),
    number("pulls"),
    instant("pulled_at"),
    info=UNRECALLED,
)
# Every change of a repository that search must know of, in order; the rows of a week. It names those that are gone as well.
repository_change: Final = Table(
    "repository_change",
    METADATA,
    key(),
    number("repository"),
    Column("manifest", BIG, nullable=True),  # that was pushed
    instant("made_at"),
    Column("xact", BIG, nullable=False),  # filled by the database
    info=UNRECALLED,
)
tag_move: Final = Table(
    "tag_move",
    METADATA,
    key(),
    number("repository", ForeignKey("repository.id")),
    exact("name"),
    exact("from_digest", nullable=True),
    exact("to_digest", nullable=True),
    exact("actor"),
    instant("moved_at"),
    Column("xact", BIG, nullable=False),  # filled by the database
)
upload: Final = Table(
    "upload",
    METADATA,
    exact("id", primary_key=True),
    number("repository", ForeignKey("repository.id")),
    exact("handle", unique=True),
    exact("algorithm"),
    number("received"),
    content("hash_state", nullable=True),
    exact("lease", nullable=True),
    instant("lease_until"),
    instant("created_at"),
    instant("progressed_at"),
    instant("expires_at"),
    exact("client", nullable=True),  # the network address that begun it, by which open uploads are counted
    exact("storage_state", nullable=True),  # what the store wants back with the handle: its own text
    info=UNRECALLED,
)
# One row at most: by what mark this registry knows its bucket.
store_mark: Final = Table("store_mark", METADATA, exact("name", primary_key=True), exact("identity"), instant("noted_at"))
