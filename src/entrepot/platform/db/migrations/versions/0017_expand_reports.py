"""What people say is wrong with images, and what was decided about it."""

from alembic import op

from entrepot.platform.db.columns import exact, instant, key

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Make the table, and the index by which it is read."""
    op.create_table(
        "report",
        key(),
        exact("repository"),
        exact("reason"),
        exact("words"),
        exact("reporter"),
        exact("network"),
        exact("state"),
        exact("note"),
        instant("made_at"),
        exact("decided_by"),
        instant("decided_at", nullable=True),
    )
    op.create_index("report_state", "report", ["state", "id"])
