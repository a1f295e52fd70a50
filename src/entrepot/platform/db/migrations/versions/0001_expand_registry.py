"""Namespaces, repositories, blobs, manifests, tags and the record of every tag's moves."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import content, exact, instant, key, number

revision = "0001"
down_revision = None

_LIVE = sa.text("condemned_at IS NULL")
_PUSHED = sa.text("first_pushed_at IS NOT NULL")
_HAS_SUBJECT = sa.text("subject IS NOT NULL")


def upgrade() -> None:
    """Create the tables."""
    op.create_table("schema_release", exact("revision", primary_key=True), exact("release"))
    _names()
    _blobs()
    _manifests()
    _tags()


def _names() -> None:
    op.create_table("namespace", key(), exact("name", unique=True), exact("kind"), instant("created_at"))
    op.create_table(
        "repository",
        key(),
        number("namespace", sa.ForeignKey("namespace.id")),
        exact("name", unique=True),
        exact("visibility"),
        instant("created_at"),
        instant("first_pushed_at", nullable=True),
    )
    op.create_index("repository_pushed", "repository", ["name"], sqlite_where=_PUSHED, postgresql_where=_PUSHED)


def _blobs() -> None:
    op.create_table(
        "blob",
        key(),
        exact("digest"),
        number("size"),
        exact("storage_key", unique=True),
        instant("created_at"),
        instant("condemned_at", nullable=True),
    )
    op.create_index("blob_live", "blob", ["digest"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.create_table(
        "repository_blob",
        number("repository", sa.ForeignKey("repository.id"), primary_key=True),
        number("blob", sa.ForeignKey("blob.id"), primary_key=True),
        instant("touched_at"),
    )
    op.create_index("repository_blob_blob", "repository_blob", ["blob"])


def _manifests() -> None:
    op.create_table(
        "manifest",
        key(),
        number("repository", sa.ForeignKey("repository.id")),
        exact("digest"),
        exact("media_type"),
        exact("artifact_type"),
        exact("subject", nullable=True),
        exact("annotations"),
        number("size"),
        content("content"),
        exact("pushed_by"),
        instant("pushed_at"),
        sa.UniqueConstraint("repository", "digest"),
    )
    # Both hold all that choosing a page of referrers reads: behind them lie manifests of megabytes.
    for name, kind in (("manifest_subject", []), ("manifest_subject_type", ["artifact_type"])):
        columns = ["repository", "subject", *kind, "id", "size"]
        op.create_index(name, "manifest", columns, sqlite_where=_HAS_SUBJECT, postgresql_where=_HAS_SUBJECT)
    op.create_table(
        "manifest_reference",
        number("manifest", sa.ForeignKey("manifest.id"), primary_key=True),
        exact("digest", primary_key=True),
        number("repository", sa.ForeignKey("repository.id")),
        exact("kind"),
    )
    op.create_index("manifest_reference_digest", "manifest_reference", ["repository", "digest"])


def _tags() -> None:
    op.create_table(
        "tag",
        number("repository", sa.ForeignKey("repository.id"), primary_key=True),
        exact("name", primary_key=True),
        number("manifest", sa.ForeignKey("manifest.id")),
        instant("pushed_at"),
    )
    op.create_index("tag_manifest", "tag", ["manifest"])
    op.create_table(
        "tag_move",
        key(),
        number("repository", sa.ForeignKey("repository.id")),
        exact("name"),
        exact("from_digest", nullable=True),
        exact("to_digest", nullable=True),
        exact("actor"),
        instant("moved_at"),
    )
    op.create_index("tag_move_tag", "tag_move", ["repository", "name", "id"])
    if op.get_bind().dialect.name == "postgresql":
        # Rows become visible in another order than their ids: a reader that follows them needs the transaction's id.
        op.execute("ALTER TABLE tag_move ADD COLUMN xact BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)")
    else:
        op.add_column("tag_move", sa.Column("xact", sa.Integer, nullable=False, server_default="0"))
