"""Accounts, organisations with members and teams, credentials, and the keys that sign what the token service issues."""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import BIG, exact, instant, key, number, sealed

revision = "0009"
down_revision = "0008"


def _reference(name: str, table: str, *, primary_key: bool = False) -> sa.Column[int]:
    return number(name, sa.ForeignKey(f"{table}.id"), primary_key=primary_key)


def upgrade() -> None:
    """Create the tables; those that are looked into by an account get an index for it."""
    _accounts()
    _teams()
    _credentials()


def _accounts() -> None:
    op.create_table(
        "account",
        key(),
        sa.Column("namespace", BIG, sa.ForeignKey("namespace.id"), nullable=False, unique=True),
        exact("email", nullable=True, unique=True),
        exact("password", nullable=True),
        number("is_admin"),
        number("is_active"),
        number("generation"),
        instant("created_at"),
        instant("signed_in_at", nullable=True),
    )
    op.create_table(
        "member",
        _reference("namespace", "namespace", primary_key=True),
        _reference("account", "account", primary_key=True),
        exact("role"),
        instant("joined_at"),
    )
    op.create_index("member_account", "member", ["account"])


def _teams() -> None:
    op.create_table(
        "team",
        key(),
        _reference("namespace", "namespace"),
        exact("name"),
        exact("description"),
        instant("created_at"),
        sa.UniqueConstraint("namespace", "name"),
    )
    op.create_table(
        "team_member", _reference("team", "team", primary_key=True), _reference("account", "account", primary_key=True)
    )
    op.create_table("team_grant", _reference("team", "team", primary_key=True), exact("pattern", primary_key=True), exact("role"))
    op.create_table(
        "account_grant",
        _reference("account", "account", primary_key=True),
        _reference("namespace", "namespace", primary_key=True),
        exact("pattern", primary_key=True),
        exact("role"),
    )
    op.create_index("team_member_account", "team_member", ["account"])
    op.create_index("account_grant_namespace", "account_grant", ["namespace"])


def _credentials() -> None:
    op.create_table(
        "credential",
        exact("id", primary_key=True),
        exact("kind"),
        _reference("namespace", "namespace"),
        sa.Column("account", BIG, sa.ForeignKey("account.id"), nullable=True),
        exact("name"),
        exact("secret", unique=True),
        exact("terms"),
        exact("created_by"),
        instant("created_at"),
        instant("expires_at", nullable=True),
        instant("revoked_at", nullable=True),
        instant("used_at", nullable=True),
        exact("used_from", nullable=True),
    )
    op.create_table(
        "signing_key",
        exact("id", primary_key=True),
        exact("purpose"),
        exact("public"),
        sealed("secret", "signing key"),
        instant("created_at"),
    )
    op.create_table("failed_login", exact("subject", primary_key=True), number("failures"), instant("since"), instant("last_at"))
    op.create_index("credential_namespace", "credential", ["namespace", "kind"])
    op.create_index("credential_account", "credential", ["account"])
    op.create_index("failed_login_last", "failed_login", ["last_at"])
