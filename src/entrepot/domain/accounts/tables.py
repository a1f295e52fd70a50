"""The tables of accounts as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import Column, ForeignKey, MetaData, Table, UniqueConstraint

from entrepot.platform.db.columns import BIG, UNRECALLED, exact, instant, key, number, sealed

METADATA: Final = MetaData()

# Every user and every organisation owns one, and its name is theirs alone.
namespace: Final = Table(
    "namespace",
    METADATA,
    key(),
    exact("name", unique=True),
    exact("kind"),
    instant("created_at"),
    exact("visibility", nullable=True),  # of repositories that a push makes; without it they are public
    instant("second_factor_required_at", nullable=True),  # since when its members need one
)
# Names that a namespace had before it was renamed: they lead to it, and are given to nobody else.
name_hold: Final = Table(
    "name_hold", METADATA, exact("name", primary_key=True), number("namespace", ForeignKey("namespace.id")), instant("held_at")
)
account: Final = Table(
    "account",
    METADATA,
    key(),
    Column("namespace", BIG, ForeignKey("namespace.id"), nullable=False, unique=True),
    exact("email", nullable=True, unique=True),
    exact("password", nullable=True),  # argon2's own text; without it nobody signs in by a password
    number("is_admin"),
    number("is_active"),
    number("generation"),  # of credentials: those that were issued for an earlier one prove nothing any more
    instant("created_at"),
    instant("signed_in_at", nullable=True),
    exact("language", nullable=True),  # of what is written to them; none means the first one
    instant("email_verified_at", nullable=True),  # when a link that was sent to the address came back
)
member: Final = Table(
    "member",
    METADATA,
    number("namespace", ForeignKey("namespace.id"), primary_key=True),
    number("account", ForeignKey("account.id"), primary_key=True),
    exact("role"),
    instant("joined_at"),
)
team: Final = Table(
    "team",
    METADATA,
    key(),
    number("namespace", ForeignKey("namespace.id")),
    exact("name"),
    exact("description"),
    instant("created_at"),
    UniqueConstraint("namespace", "name"),
)
team_member: Final = Table(
    "team_member",
    METADATA,
    number("team", ForeignKey("team.id"), primary_key=True),
    number("account", ForeignKey("account.id"), primary_key=True),
)
# A pattern stands for the names behind the namespace: `app`, `backend/*`, `*`.
team_grant: Final = Table(
    "team_grant",
    METADATA,
    number("team", ForeignKey("team.id"), primary_key=True),
    exact("pattern", primary_key=True),
    exact("role"),
)
account_grant: Final = Table(
    "account_grant",
    METADATA,
    number("account", ForeignKey("account.id"), primary_key=True),
    number("namespace", ForeignKey("namespace.id"), primary_key=True),
    exact("pattern", primary_key=True),
    exact("role"),
)
credential: Final = Table(
    "credential",
    METADATA,
    exact("id", primary_key=True),
    exact("kind"),
    number("namespace", ForeignKey("namespace.id")),
    Column("account", BIG, ForeignKey("account.id"), nullable=True),  # whose it is; an organisation's and a robot's are nobody's
    exact("name"),
    exact("secret", unique=True),  # SHA-256 in hexadecimal
    exact("terms"),  # JSON: what it allows, and where
    exact("created_by"),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    instant("used_at", nullable=True),
    exact("used_from", nullable=True),
    instant("noticed_days", nullable=True),  # how many days before its end its owner was told last
)
signing_key: Final = Table(
    "signing_key",
    METADATA,
    exact("id", primary_key=True),
    exact("purpose"),
    exact("public"),  # JSON: a JWK
    sealed("secret", "signing key"),
    instant("created_at"),
)
failed_login: Final = Table(
    "failed_login",
    METADATA,
    exact("subject", primary_key=True),
    number("failures"),
    instant("since"),
    instant("last_at"),
    info=UNRECALLED,
)
# Of a browser. It holds while its generation is the account's.
session: Final = Table(
    "session",
    METADATA,
    exact("id", primary_key=True),
    exact("secret", unique=True),  # SHA-256 in hexadecimal
    number("account", ForeignKey("account.id")),
    number("generation"),
    instant("created_at"),
    instant("seen_at"),
    instant("ends_at"),
    exact("address"),
    exact("agent"),
    info=UNRECALLED,
)
second_factor: Final = Table(
    "second_factor",
    METADATA,
    number("account", ForeignKey("account.id"), primary_key=True),
    sealed("secret", "second factor"),
    number("last_step"),  # of the newest code that was taken: it and those before it are taken no more
    instant("created_at"),
    instant("confirmed_at", nullable=True),  # without it nothing is asked for yet
)
recovery_code: Final = Table(
    "recovery_code",
    METADATA,
    number("account", ForeignKey("account.id"), primary_key=True),
    exact("code", primary_key=True),  # SHA-256 in hexadecimal
    instant("used_at", nullable=True),
    info=UNRECALLED,
)
one_time_link: Final = Table(
    "one_time_link",
    METADATA,
    exact("id", primary_key=True),
    exact("purpose"),
    exact("secret", nullable=True, unique=True),  # SHA-256 in hexadecimal; drawn when the link is shown or sent
    Column("account", BIG, ForeignKey("account.id"), nullable=True),  # who alone may use it
    Column("namespace", BIG, ForeignKey("namespace.id"), nullable=True),  # the organisation that it leads into
    exact("email", nullable=True),
    exact("role", nullable=True),
    number("is_mailed"),  # whoever has the link then reads the mail of that address
    number("makes_account"),
    exact("created_by"),
    instant("created_at"),
    instant("expires_at"),
    instant("used_at", nullable=True),
    instant("revoked_at", nullable=True),
    Column("inviter", BIG, nullable=True),  # the account of whoever invites; without it a command did,
    info=UNRECALLED,
)
