"""Whose the bucket is: one row, which must say what the bucket's mark says."""

from alembic import op

from entrepot.platform.db.columns import exact, instant

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table, without its row: that is made at the first start with a bucket."""
    op.create_table("store_mark", exact("name", primary_key=True), exact("identity"), instant("noted_at"))
