"""`entrepot tls`: the certificate, and how clients are told to trust it."""

import json
from typing import Annotated

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings


@with_settings
def tls(*, found: Found, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the certificate; of --tls self-signed also the commands by which clients trust it."""
    from entrepot.app.certificates import told  # noqa: PLC0415 - not needed to show help

    about = told(found.settings)
    typer.echo(json.dumps(msgspec.to_builtins(about)) if as_json else about.text)
