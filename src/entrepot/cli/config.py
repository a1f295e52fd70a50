"""`entrepot config`: which settings are in force, and from where."""

import json
from typing import Annotated

import typer

from entrepot.base import settings
from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings


@with_settings
def config(*, found: Found, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the settings in force and where each value comes from; secrets as ***."""
    rows = [(settings.option(name), settings.shown(found, name), found.origins[name]) for name in settings.FIELDS]
    if as_json:
        typer.echo(json.dumps({name: {"value": value, "from": origin} for name, value, origin in rows}))
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        typer.echo(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
