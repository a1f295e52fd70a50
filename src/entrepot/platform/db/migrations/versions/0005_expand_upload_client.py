"""Whose upload it is: how many a client's address has open is asked each time one is begun."""

from alembic import op

from entrepot.platform.db.columns import exact

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a column, empty for uploads of before, and the index that answers the question alone."""
    op.add_column("upload", exact("client", nullable=True))
    op.create_index("upload_client", "upload", ["client", "expires_at"])
