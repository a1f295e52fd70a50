"""The orders in which tags are listed; while they are made tags are read, and not moved."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("tag_version", "tag", ["repository", "version", "name"])
    unversioned = sa.text("version IS NULL")
    op.create_index("tag_unversioned", "tag", ["repository"], sqlite_where=unversioned, postgresql_where=unversioned)
    op.create_index("tag_pushed_at", "tag", ["repository", "pushed_at", "name"])
