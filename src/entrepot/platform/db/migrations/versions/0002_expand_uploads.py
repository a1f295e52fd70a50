"""Uploads: what any process needs to continue one."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import content, exact, instant, number

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "upload",
        exact("id", primary_key=True),
        number("repository", sa.ForeignKey("repository.id")),
        exact("handle", unique=True),
        exact("algorithm"),
        number("received"),
        content("hash_state", nullable=True),
        exact("lease", nullable=True),
        instant("lease_until"),
        instant("created_at"),
        instant("progressed_at"),
        instant("expires_at"),
    )
    op.create_index("upload_expires", "upload", ["expires_at"])
    op.create_index("upload_repository", "upload", ["repository"])
