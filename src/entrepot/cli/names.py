"""`entrepot name`: former names, which lead to whoever had them and are given to nobody else."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import by_command, with_accounts, with_registry
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import with_settings

app = typer.Typer(help="Former names of users, organisations and repositories.", no_args_is_help=True)
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]


class Seen(StrEnum):
    """Who sees a repository."""

    PUBLIC = "public"
    PRIVATE = "private"


Visibility = Annotated[Seen, typer.Argument(metavar="public|private")]


@app.command("list")
@with_settings
def list_(
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Whose repositories' former names.")] = "",
    *,
    found: Found,
    after: Annotated[
        str, typer.Option(metavar="NAME", help="Begin behind this name; of a repository without the namespace.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the former names of users and organisations; with NAMESPACE those of repositories there."""
    names = with_registry(
        found.settings,
        lambda registry: registry.names.held_in(namespace, after, limit) if namespace else registry.names.held(after, limit),
    )
    rows = [
        [
            each.name,
            f"leads to {each.leads_to}, since {instant(each.held_at)}" if each.leads_to else "of somebody who was deleted",
        ]
        for each in names
    ]
    show(names, rows, as_json=as_json)


@app.command()
@with_settings
def release(name: Annotated[str, typer.Argument(metavar="NAME")], *, found: Found) -> None:
    """Let a former name lead nowhere, and others have it; of a deleted user it is released when they have no repositories."""
    with_registry(found.settings, lambda registry: registry.names.acting(by_command()).release(name))
    typer.echo(f"{name} can be given to others")


def rename_namespace(found: Found, old: str, new: str, kind: str) -> None:
    """Give a user or an organisation another name, and say so."""
    moved = with_registry(found.settings, lambda registry: registry.names.acting(by_command()).rename(old, new, kind))
    typer.echo(f"{old} is called {new} now, and so are {moved} repositories; the former name leads there")


def set_default_visibility(found: Found, name: str, default: Seen) -> None:
    """Set what repositories are that a push makes in a namespace, and say so."""
    with_accounts(found.settings, lambda who: who.organisations.set_visibility(name, public=default is Seen.PUBLIC))
    typer.echo(f"repositories that a push makes in {name} are {default.value}")
