"""Jobs: work that outlives the process that begins it."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import exact, instant, key, number

revision = "0003"
down_revision = "0002"

_LIVE = sa.text("finished_at IS NULL")
_ENDED = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "job",
        key(),
        exact("key", nullable=True),
        exact("queue"),
        exact("kind"),
        exact("arguments"),
        exact("state"),
        instant("run_at"),
        exact("owner", nullable=True),
        instant("lease_until"),
        number("attempt"),
        number("max_attempts"),
        exact("checkpoint", nullable=True),
        exact("progress", nullable=True),
        exact("error"),
        number("cancel_requested"),
        number("again"),
        instant("created_at"),
        instant("finished_at", nullable=True),
        sqlite_autoincrement=True,  # else the number of a job that was forgotten would be given to another one
    )
    op.create_index("job_key", "job", ["key"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.create_index("job_waiting", "job", ["queue", "state", "run_at"], sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.create_index("job_finished", "job", ["finished_at"], sqlite_where=_ENDED, postgresql_where=_ENDED)
    op.create_index("job_state", "job", ["state", "id"])
    op.create_table("job_queue", exact("name", primary_key=True))
    op.create_table("job_schedule", exact("name", primary_key=True), instant("slot"), number("job"))
