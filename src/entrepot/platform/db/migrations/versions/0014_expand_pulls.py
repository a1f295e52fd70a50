"""How often repositories are pulled, and who pulled what in the last hours.

Nodes of the release before know nothing of these tables, and delete repositories: what was counted goes by itself.
"""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import exact, instant, number

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create two tables, empty: nothing was counted before."""
    op.create_table(
        "pull_total",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        number("pulls"),
        instant("pulled_at"),
    )
    op.create_table(
        "recent_pull",
        exact("owner", primary_key=True),
        sa.Column("began_at", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        exact("source", primary_key=True),
        exact("credential", primary_key=True),
        exact("repository", primary_key=True),
        number("pulls"),
    )
    op.create_index("recent_pull_began_at", "recent_pull", ["began_at"])
