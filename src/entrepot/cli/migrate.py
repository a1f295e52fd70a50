"""`entrepot migrate`: bring the database to this release's schema without serving."""

import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings


@with_settings
def migrate(*, found: Found) -> None:
    """Bring the database to the schema of this release; `serve` does it by itself."""
    from entrepot import app  # noqa: PLC0415 - not needed to show help

    revisions = app.prepare(found.settings)
    typer.echo(f"migrated to schema {revisions[-1]}" if revisions else "the schema is up to date")
