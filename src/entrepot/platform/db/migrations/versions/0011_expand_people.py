"""Browser sessions, second factors with recovery codes, links that work once, and what accounts know for mail."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import BIG, exact, instant, number, sealed

revision = "0011"
down_revision = "0010"
_EXPIRES = sa.text("expires_at IS NOT NULL")


def _account(*, primary_key: bool = False) -> sa.Column[int]:
    return number("account", sa.ForeignKey("account.id"), primary_key=primary_key)


def upgrade() -> None:
    """Create the tables; what is added to others may be empty, so that nodes of the release before go on beside this one."""
    op.add_column("account", exact("language", nullable=True))
    op.add_column("account", instant("email_verified_at", nullable=True))
    op.add_column("namespace", instant("second_factor_required_at", nullable=True))
    op.add_column("credential", instant("noticed_days", nullable=True))
    op.create_index("credential_expires", "credential", ["expires_at"], sqlite_where=_EXPIRES, postgresql_where=_EXPIRES)
    _proofs()
    _links()


def _proofs() -> None:
    op.create_table(
        "session",
        exact("id", primary_key=True),
        exact("secret", unique=True),
        _account(),
        number("generation"),
        instant("created_at"),
        instant("seen_at"),
        instant("ends_at"),
        exact("address"),
        exact("agent"),
    )
    op.create_table(
        "second_factor",
        _account(primary_key=True),
        sealed("secret", "second factor"),
        number("last_step"),
        instant("created_at"),
        instant("confirmed_at", nullable=True),
    )
    op.create_table(
        "recovery_code", _account(primary_key=True), exact("code", primary_key=True), instant("used_at", nullable=True)
    )
    op.create_index("session_account", "session", ["account"])
    op.create_index("session_ends", "session", ["ends_at"])


def _links() -> None:
    op.create_table(
        "one_time_link",
        exact("id", primary_key=True),
        exact("purpose"),
        exact("secret", nullable=True, unique=True),
        sa.Column("account", BIG, sa.ForeignKey("account.id"), nullable=True),
        sa.Column("namespace", BIG, sa.ForeignKey("namespace.id"), nullable=True),
        exact("email", nullable=True),
        exact("role", nullable=True),
        number("is_mailed"),
        number("makes_account"),
        exact("created_by"),
        instant("created_at"),
        instant("expires_at"),
        instant("used_at", nullable=True),
        instant("revoked_at", nullable=True),
    )
    op.create_index("one_time_link_account", "one_time_link", ["account"])
    op.create_index("one_time_link_namespace", "one_time_link", ["namespace"])
    op.create_index("one_time_link_expires", "one_time_link", ["expires_at"])
