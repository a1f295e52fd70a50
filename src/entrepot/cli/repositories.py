"""`entrepot repository`: who sees a repository, what it is called, and its end."""

from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.opening import actor, with_registry
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import with_settings
from entrepot.spec.oci.names import RepositoryName

app = typer.Typer(help="Repositories.", no_args_is_help=True)
_Name = Annotated[str, typer.Argument(metavar="REPOSITORY")]
_parse = RepositoryName.parse


@app.command()
@with_settings
def create(
    name: _Name,
    *,
    found: Found,
    private: Annotated[bool, typer.Option("--private", help="Only those see it who were granted it.")] = False,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is, in a line.")] = "",
) -> None:
    """Make a repository; a former name is that of the new repository from now on."""
    with_registry(
        found.settings,
        lambda registry: registry.repositories.add(actor(), _parse(name), public=not private, description=description),
    )
    typer.echo(f"{name} was made")


@app.command("show")
@with_settings
def show_(name: _Name, *, found: Found, as_json: AsJson = False) -> None:
    """Show what is known of a repository."""
    about = with_registry(found.settings, lambda registry: registry.repositories.find(actor(), _parse(name)))
    rows = [
        ["name", about.name],
        ["seen by", "everybody" if about.public else "those who were granted it"],
        ["description", about.description or "-"],
        ["made", instant(about.created_at)],
        ["first pushed", instant(about.first_pushed_at)],
        ["archived", instant(about.archived_at)],
    ]
    show(about, rows, as_json=as_json)


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


@app.command()
@with_settings
def describe(name: _Name, text: Annotated[str, typer.Argument(metavar="TEXT")], *, found: Found) -> None:
    """Say in a line what a repository is."""
    with_registry(found.settings, lambda registry: registry.repositories.describe(actor(), _parse(name), description=text))
    typer.echo(f"{name}: {text}")


@app.command()
@with_settings
def rename(name: _Name, new: Annotated[str, typer.Argument(metavar="NEW")], *, found: Found) -> None:
    """Give a repository another name, in its namespace or in another one; the former name leads to it."""
    with_registry(found.settings, lambda registry: registry.repositories.rename(actor(), _parse(name), _parse(new)))
    typer.echo(f"{name} is called {new} now; the former name leads there")


@app.command()
@with_settings
def transfer(name: _Name, namespace: Annotated[str, typer.Argument(metavar="NAMESPACE")], *, found: Found) -> None:
    """Give a repository to another user or organisation; the former name leads to it."""
    new = f"{namespace}/{_parse(name).stored.partition('/')[2]}"
    with_registry(found.settings, lambda registry: registry.repositories.rename(actor(), _parse(name), _parse(new)))
    typer.echo(f"{name} is called {new} now; the former name leads there")


@app.command()
@with_settings
def archive(name: _Name, *, found: Found) -> None:
    """Let a repository be pulled from, and nothing in it be changed."""
    with_registry(found.settings, lambda registry: registry.repositories.set_archived(actor(), _parse(name), archived=True))
    typer.echo(f"{name} is archived")


@app.command()
@with_settings
def unarchive(name: _Name, *, found: Found) -> None:
    """Let an archived repository be changed again."""
    with_registry(found.settings, lambda registry: registry.repositories.set_archived(actor(), _parse(name), archived=False))
    typer.echo(f"{name} is archived no more")


@app.command()
@with_settings
def delete(name: _Name, *, found: Found, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a repository with all that is in it; the space comes back in the background."""
    if not yes and not typer.confirm(f"Delete {name} with all that is in it?"):
        raise typer.Exit(1)
    with_registry(found.settings, lambda registry: registry.repositories.delete(actor(), _parse(name)))
    typer.echo(f"{name} was deleted")


def _set(found: Found, name: str, *, is_public: bool) -> None:
    with_registry(found.settings, lambda registry: registry.repositories.set_visibility(actor(), _parse(name), public=is_public))
    typer.echo(f"{name} is {'public' if is_public else 'private'}")
