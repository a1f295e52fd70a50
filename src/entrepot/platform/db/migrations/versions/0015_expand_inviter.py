"""By whom somebody was invited, whatever that one is called now."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add a column, empty for what was there before: those invitations hold as long as they did."""
    op.add_column("one_time_link", sa.Column("inviter", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=True))
    op.create_index("one_time_link_inviter", "one_time_link", ["inviter"])
