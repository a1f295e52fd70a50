"""Names that are held for whoever had them, and what a repository and a namespace say of themselves."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import exact, instant, number

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add columns, empty for what was there before, and two tables of former names."""
    op.add_column("namespace", exact("visibility", nullable=True))
    op.add_column("repository", instant("archived_at", nullable=True))
    op.add_column("repository", exact("description", nullable=True))
    op.add_column("repository", exact("readme", nullable=True))
    op.create_table(
        "name_hold",
        exact("name", primary_key=True),
        number("namespace", sa.ForeignKey("namespace.id")),
        instant("held_at"),
    )
    op.create_table(
        "repository_alias",
        number("namespace", sa.ForeignKey("namespace.id"), primary_key=True),
        exact("path", primary_key=True),
        number("repository", sa.ForeignKey("repository.id")),
        instant("made_at"),
    )
    op.create_index("name_hold_namespace", "name_hold", ["namespace"])
    op.create_index("repository_alias_repository", "repository_alias", ["repository"])
