"""What the clean-up asks for: who names a digest anywhere, which blobs are condemned, and when a repository was uploaded to."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import instant

revision = "0004"
down_revision = "0003"

_CONDEMNED = sa.text("condemned_at IS NOT NULL")


def upgrade() -> None:
    """Add a column and two indexes; the new index on references also does what the old one did."""
    op.add_column("repository", instant("uploaded_at", nullable=True))
    op.create_index("manifest_reference_named", "manifest_reference", ["digest", "repository"])
    op.drop_index("manifest_reference_digest", "manifest_reference")
    op.create_index("blob_condemned", "blob", ["condemned_at", "id"], sqlite_where=_CONDEMNED, postgresql_where=_CONDEMNED)
