"""Whether clients may change anything: one row, which every transaction of a client reads."""

from alembic import op

from entrepot.platform.db.columns import exact, instant, number

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table, without its row: that is made by the first change of the mode."""
    op.create_table("service_mode", exact("name", primary_key=True), number("read_only"), exact("reason"), instant("changed_at"))
