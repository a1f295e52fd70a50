"""Plans and who has which; the plans are data from here on, which an administrator changes."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import BIG, EXACT_TEXT, exact, instant, number

revision = "0013"
down_revision = "0012"

_IS_PRIVATE = sa.text("visibility = 'private'")
_GB = 1_000_000_000
# Name, private repositories, storage, pulls in six hours, priority, features; seats are for the administrator to limit.
_FIRST: tuple[tuple[str, int | None, int | None, int | None, str], ...] = (
    ("free", 1, 2 * _GB, 200, ""),
    ("pro", None, 5 * _GB, None, "builds"),
    ("team", None, 50 * _GB, None, "builds audit-log organisation-tokens"),
    ("business", None, 500 * _GB, None, "builds audit-log organisation-tokens single-sign-on"),
)


def upgrade() -> None:
    """Create the tables with the first plans, and the index by which private repositories are counted."""
    limits = [sa.Column(name, BIG, nullable=True) for name in ("private_repositories", "storage_bytes", "pulls", "seats")]
    plan = op.create_table(
        "plan", exact("name", primary_key=True), number("rank"), *limits, number("priority"), exact("features")
    )
    op.create_table(
        "subscription",
        number("namespace", sa.ForeignKey("namespace.id"), primary_key=True),
        sa.Column("plan", EXACT_TEXT, sa.ForeignKey("plan.name"), nullable=False),
        instant("since"),
    )
    op.create_index("subscription_plan", "subscription", ["plan"])
    op.create_index("repository_private", "repository", ["namespace"], sqlite_where=_IS_PRIVATE, postgresql_where=_IS_PRIVATE)
    rows = [
        {
            "name": name,
            "rank": rank,
            "private_repositories": private,
            "storage_bytes": storage,
            "pulls": pulls,
            "seats": None,
            "priority": rank,
            "features": features,
        }
        for rank, (name, private, storage, pulls, features) in enumerate(_FIRST)
    ]
    op.bulk_insert(plan, rows)
