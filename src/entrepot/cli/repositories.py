"""`entrepot repository`: who sees a repository."""

import asyncio
from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.settings import with_settings

app = typer.Typer(help="Repositories.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(metavar="REPOSITORY")]


@app.command()
@with_settings
def public(name: _Name, *, found: Found) -> None:
    """Let everybody see a repository and pull from it; one that is not there is made."""
    _set(found, name, is_public=True)


@app.command()
@with_settings
def private(name: _Name, *, found: Found) -> None:
    """Let only those see a repository who were granted it; one that is not there is made."""
    _set(found, name, is_public=False)


def _set(found: Found, name: str, *, is_public: bool) -> None:
    from entrepot.app.commands import command_line  # noqa: PLC0415 - not needed to show help
    from entrepot.app.parts import opened  # noqa: PLC0415 - not needed to show help
    from entrepot.domain.access.model import Actor  # noqa: PLC0415
    from entrepot.spec.oci.names import RepositoryName  # noqa: PLC0415

    by = command_line()

    async def change() -> None:
        async with opened(found.settings) as parts:
            await parts.registry.repositories.set_visibility(
                Actor(by.name, origin=by.origin), RepositoryName.parse(name), public=is_public
            )

    asyncio.run(change())
    typer.echo(f"{name} is {'public' if is_public else 'private'}")
