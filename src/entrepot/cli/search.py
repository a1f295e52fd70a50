"""`entrepot search`: what is found, and an index that is made anew."""

from typing import Annotated

import msgspec
import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import actor, with_parts
from entrepot.cli.printing import AsJson, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings

app = typer.Typer(help="Search.", no_args_is_help=True)
_ORDERS = ("best", "pulls", "stars", "updated")


@app.command()
@with_settings
def find(
    text: Annotated[list[str], typer.Argument(metavar="TEXT")],
    *,
    found: Found,
    sort: Annotated[str, typer.Option(metavar="ORDER", help=f"One of {', '.join(_ORDERS)}.")] = "best",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many to show.")] = 25,
    as_json: AsJson = False,
) -> None:
    """Find images, private ones too, as the pages and `docker search` do for whoever may see all."""
    from entrepot.app.search import searching  # noqa: PLC0415 - not needed to show help
    from entrepot.domain.search.model import Order  # noqa: PLC0415

    if sort not in _ORDERS:
        refuse(f"--sort is '{sort}': expected one of {', '.join(_ORDERS)}", WRONG_USE)
    hits = with_parts(
        found.settings,
        lambda parts: searching(found.settings, parts).find(actor(), " ".join(text), order=Order(sort), most=limit),
    )
    if as_json:
        typer.echo(msgspec.json.encode(hits).decode())
        return
    rows = [
        (each.listed.name, each.shelved.kind.value, each.listed.pulls, each.shelved.stars, _line(each.listed.description))
        for each in hits.hits
    ]
    if rows:
        show(None, [("NAME", "KIND", "PULLS", "STARS", "DESCRIPTION"), *rows], as_json=False)
    if hits.instead:
        typer.echo(f"nothing has these words; found with: {' '.join(hits.instead)}", err=True)
    elif hits.any_word:
        typer.echo("nothing has all of these words; found with some of them", err=True)
    if not hits.is_complete:
        typer.echo("there is no search index here yet: only beginnings of names were looked at", err=True)
    typer.echo(f"{len(rows)} of {hits.count} shown", err=True)


@app.command()
@with_settings
def rebuild(*, found: Found) -> None:
    """Let the index of this machine be made anew, by the service that runs on this data folder or starts next."""
    from entrepot.app.search import rebuild as ask  # noqa: PLC0415 - not needed to show help

    with_parts(found.settings, lambda _parts: ask(found.settings))
    typer.echo("the search index will be made anew by the running service, or when it starts; until then the old one is used")


def _line(text: str) -> str:
    """Return what somebody wrote so that it can be shown in a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)
