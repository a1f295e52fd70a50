"""The audit log: rows, the end of their chain, and the anchors that are signed of it."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import BIG, content, exact, instant, key, number

revision = "0010"
down_revision = "0009"

_WAITS = sa.text("position IS NULL")
_WHOLE = sa.text("address IS NOT NULL")


def upgrade() -> None:
    """Create the tables, with an index for each thing that rows are looked for by, newest first."""
    op.create_table(
        "audit_event",
        key(),
        instant("happened_at"),
        exact("actor"),
        exact("credential"),
        exact("os_user"),
        exact("address", nullable=True),
        content("address_salt", nullable=True),
        exact("network"),
        content("address_mark"),
        exact("act"),
        exact("namespace"),
        exact("target"),
        exact("outcome"),
        exact("details"),
        sa.Column("position", BIG, nullable=True, unique=True),
        content("digest", nullable=True),
    )
    op.create_index("audit_event_time", "audit_event", ["happened_at", "id"])
    for each in ("actor", "act", "namespace"):
        op.create_index(f"audit_event_{each}", "audit_event", [each, "happened_at", "id"])
    op.create_index("audit_event_waiting", "audit_event", ["id"], sqlite_where=_WAITS, postgresql_where=_WAITS)
    op.create_index("audit_event_address", "audit_event", ["happened_at"], sqlite_where=_WHOLE, postgresql_where=_WHOLE)
    op.create_table("audit_chain", exact("name", primary_key=True), number("position"), content("digest"), number("floor"))
    op.create_table(
        "audit_anchor",
        number("position", primary_key=True),
        content("digest"),
        exact("token"),
        instant("made_at"),
        exact("floor", nullable=True),
    )
