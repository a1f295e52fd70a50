"""What the hub's pages and its search stand on: changes of repositories in order, kinds of image, stars, categories, platforms.

Nodes of the release before write no row of `repository_change`: what they push is found when the index is made anew.
"""

import sqlalchemy as sa
from alembic import op

from entrepot.platform.db.columns import BIG, exact, instant, key, number

revision = "0016"
down_revision = "0015"

# Those that a hub begins with, in the order in which they are shown; an administrator changes them.
_CATEGORIES = (
    ("operating-systems", "Operating systems", "Systèmes d\N{RIGHT SINGLE QUOTATION MARK}exploitation"),
    ("languages", "Languages and frameworks", "Langages et cadriciels"),
    ("databases", "Databases and storage", "Bases de données et stockage"),
    ("web-servers", "Web servers", "Serveurs web"),
    ("message-queues", "Message queues", "Files de messages"),
    ("monitoring", "Monitoring and observability", "Supervision et observabilité"),
    ("integration", "Integration and delivery", "Intégration et livraison"),
    ("networking", "Networking", "Réseau"),
    ("security", "Security", "Sécurité"),
    ("data-science", "Data science", "Science des données"),
    ("machine-learning", "Machine learning", "Apprentissage automatique"),
    ("content-management", "Content management", "Gestion de contenu"),
    ("developer-tools", "Developer tools", "Outils de développement"),
    ("internet-of-things", "Internet of things", "Internet des objets"),
    ("api-management", "API management", "Gestion d\N{RIGHT SINGLE QUOTATION MARK}API"),
)


def upgrade() -> None:
    """Create the tables, empty. What refers to manifests comes first: pushes go that way too, and neither waits for the other."""
    op.create_table(
        "image",
        number("manifest", sa.ForeignKey("manifest.id", ondelete="CASCADE"), primary_key=True),
        exact("platform"),
        number("download_bytes"),
        exact("runs_as"),
        exact("labels"),
        instant("looked_at"),
    )
    _changes()
    _kinds()
    _pulls()


def _changes() -> None:
    # A repository is named without a reference to its row: the change that it was deleted outlives it.
    op.create_table(
        "repository_change", key(), number("repository"), sa.Column("manifest", BIG, nullable=True), instant("made_at")
    )
    op.create_index("repository_change_made_at", "repository_change", ["made_at"])
    if op.get_bind().dialect.name == "postgresql":
        # Rows become visible in another order than their ids: a reader that follows them needs the transaction's id.
        op.execute("ALTER TABLE repository_change ADD COLUMN xact BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)")
    else:
        op.add_column("repository_change", sa.Column("xact", sa.Integer, nullable=False, server_default="0"))
    op.create_index("repository_change_order", "repository_change", ["xact", "id"])


def _pulls() -> None:
    op.create_table(
        "pull_day",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", BIG, primary_key=True, autoincrement=False),
        exact("digest", primary_key=True),
        exact("who", primary_key=True),
        number("pulls"),
    )
    op.create_index("pull_day_day", "pull_day", ["day"])
    op.create_table(
        "tag_pull",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        exact("tag", primary_key=True),
        number("pulls"),
        instant("pulled_at"),
    )
    op.create_table(
        "pull_leader",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        number("place"),
        number("pulls"),
    )


def _kinds() -> None:
    op.create_table(
        "badge",
        number("namespace", sa.ForeignKey("namespace.id"), primary_key=True),
        exact("kind", primary_key=True),
        exact("checked"),
        exact("granted_by"),
        instant("granted_at"),
    )
    category = op.create_table("category", exact("name", primary_key=True), exact("english"), exact("french"), number("rank"))
    rows = enumerate(_CATEGORIES)
    names = [{"name": name, "english": english, "french": french, "rank": rank} for rank, (name, english, french) in rows]
    op.bulk_insert(category, names)
    op.create_table(
        "repository_category",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        exact("category", primary_key=True),
        sa.ForeignKeyConstraint(["category"], ["category.name"], ondelete="CASCADE"),
    )
    op.create_index("repository_category_category", "repository_category", ["category"])
    op.create_table(
        "star",
        number("account", sa.ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        instant("given_at"),
    )
    op.create_index("star_repository", "star", ["repository"])
    op.create_table(
        "star_total",
        number("repository", sa.ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
        number("stars"),
    )
