"""The catalogue's tables as the newest migration leaves them (a test compares the two)."""

from typing import Final

from sqlalchemy import Column, ForeignKey, MetaData, Table

from entrepot.domain.accounts.tables import account, namespace
from entrepot.domain.registry.tables import manifest, repository
from entrepot.platform.db.columns import EXACT_TEXT, UNRECALLED, exact, instant, key, number

METADATA: Final = MetaData()

# What was read in the configuration of an image; `platform` is empty for a manifest that is none.
image: Final = Table(
    "image",
    METADATA,
    number("manifest", ForeignKey(manifest.c.id, ondelete="CASCADE"), primary_key=True),
    exact("platform"),
    number("download_bytes"),
    exact("runs_as"),
    exact("labels"),  # JSON: those that search and pages know
    instant("looked_at"),
    info=UNRECALLED,
)
# What an administrator granted a namespace, and what was checked before.
badge: Final = Table(
    "badge",
    METADATA,
    number("namespace", ForeignKey(namespace.c.id), primary_key=True),
    exact("kind", primary_key=True),
    exact("checked"),
    exact("granted_by"),
    instant("granted_at"),
    info=UNRECALLED,
)
category: Final = Table(
    "category", METADATA, exact("name", primary_key=True), exact("english"), exact("french"), number("rank"), info=UNRECALLED
)
repository_category: Final = Table(
    "repository_category",
    METADATA,
    number("repository", ForeignKey(repository.c.id, ondelete="CASCADE"), primary_key=True),
    Column("category", EXACT_TEXT, ForeignKey(category.c.name, ondelete="CASCADE"), primary_key=True),
    info=UNRECALLED,
)
star: Final = Table(
    "star",
    METADATA,
    number("account", ForeignKey(account.c.id, ondelete="CASCADE"), primary_key=True),
    number("repository", ForeignKey(repository.c.id, ondelete="CASCADE"), primary_key=True),
    instant("given_at"),
    info=UNRECALLED,
)
# How many stars it has; without a row none.
star_total: Final = Table(
    "star_total",
    METADATA,
    number("repository", ForeignKey(repository.c.id, ondelete="CASCADE"), primary_key=True),
    number("stars"),
    info=UNRECALLED,
)
# What people say is wrong with images: the repository's stored name then, so that it stays when that is gone.
report: Final = Table(
    "report",
    METADATA,
    key(),
    exact("repository"),
    exact("reason"),
    exact("words"),
    exact("reporter"),
    exact("network"),
    exact("state"),
    exact("note"),
    instant("made_at"),
    exact("decided_by"),
    instant("decided_at", nullable=True),
    info=UNRECALLED,
)
