"""Run by Alembic: gives it the connection that `entrepot.platform.db.migrate` put into its configuration."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, render_as_batch=True, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
