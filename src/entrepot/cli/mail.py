"""`entrepot mail`: trying whether mail can be sent."""

from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings
from entrepot.cli.users import with_accounts

app = typer.Typer(help="Mail.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `mail` a noun with verbs."""


@app.command()
@with_settings
def test(address: Annotated[str, typer.Argument(metavar="ADDRESS")], *, found: Found) -> None:
    """Send a mail now, and say what the server said."""
    with_accounts(found.settings, lambda who: who.people.post.test(address))
    typer.echo(f"the server took a mail to {address}")
