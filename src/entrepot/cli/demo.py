"""`entrepot demo`: a hub to look around in."""

from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import with_parts
from entrepot.cli.settings import with_settings


@with_settings
def demo(
    *, found: Found, anyway: Annotated[bool, typer.Option("--anyway", help="Also where there are images already.")] = False
) -> None:
    """Fill an empty hub with a small set of images, people, stars and history, all made locally."""
    from entrepot.app.demo.filling import fill  # noqa: PLC0415 - not needed to show help

    made = with_parts(found.settings, lambda parts: fill(found.settings, parts, anyway=anyway, say=typer.echo))
    typer.echo(f"{made} images were made. The people of the demo have no passwords: nobody can sign in as one of them.")
