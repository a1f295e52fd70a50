"""What sorts like the version of a tag; nodes of the release before note none, and a job does it for them.

By itself, since it holds the table against everybody, if only for a moment.
"""

from alembic import op

from entrepot.platform.db.columns import exact

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column, empty."""
    op.add_column("tag", exact("version", nullable=True))
