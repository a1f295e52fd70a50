"""What a store must know of an upload to continue it: for a bucket, the parts that it has."""

from alembic import op

from entrepot.platform.db.columns import exact

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column, empty for uploads into files, which tell their state themselves."""
    op.add_column("upload", exact("storage_state", nullable=True))
