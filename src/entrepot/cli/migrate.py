"""`entrepot migrate`: bring the database to this release's schema without serving."""

import asyncio
import json
from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import REFUSED, with_settings


@with_settings
def migrate(
    *,
    found: Found,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what would be done, and end with 1 if there is something.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database to the schema of this release; `serve` does it by itself."""
    from entrepot.app import parts  # noqa: PLC0415 - not needed to show help
    from entrepot.platform.db.migrate import names  # noqa: PLC0415

    if check:
        pending = asyncio.run(parts.pending(found.settings))
        said = "\n".join(f"would run {name}" for name in pending) or "the schema is up to date"
        typer.echo(json.dumps({"would_run": pending}) if as_json else said)
        raise typer.Exit(REFUSED if pending else 0)
    revisions = parts.prepare(found.settings)
    said = f"migrated to schema {revisions[-1]}" if revisions else "the schema is up to date"
    typer.echo(json.dumps({"ran": names(revisions)}) if as_json else said)
