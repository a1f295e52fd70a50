"""Where a digest lies, and what was pulled last; while these are made manifests are read, and not pushed."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("manifest_digest", "manifest", ["digest"])
    op.create_index("pull_total_pulled_at", "pull_total", ["pulled_at"])
