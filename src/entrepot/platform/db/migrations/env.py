"""Run by Alembic: gives it the connection that `entrepot.platform.db.migrate` put into its configuration.

Each revision has a transaction of its own, which also notes the release that made it.
"""

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import text

from entrepot import __version__

_NOTE = text("INSERT INTO schema_release (revision, release) VALUES (:revision, :release) ON CONFLICT DO NOTHING")


def _note_release(ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object) -> None:  # noqa: ARG001 - Alembic names them
    connection.execute(_NOTE, {"revision": step.up_revision_id, "release": __version__})


connection = context.config.attributes["connection"]
context.configure(connection=connection, render_as_batch=True, transaction_per_migration=True, on_version_apply=_note_release)
with context.begin_transaction():
    context.run_migrations()
