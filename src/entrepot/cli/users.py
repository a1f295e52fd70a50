"""`entrepot user`: the users of the hub."""

import sys
from typing import Annotated, Final

import typer

from entrepot.base.settings import Found
from entrepot.cli.names import NewName, Visibility, rename_namespace, set_default_visibility
from entrepot.cli.opening import with_accounts
from entrepot.cli.plans import show_pulls, show_usage
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings

app = typer.Typer(help="The users of the hub.", no_args_is_help=True)
_LONGEST: Final = 1000
_Name = Annotated[str, typer.Argument(metavar="NAME")]
_FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command()
@with_settings
def add(
    name: _Name,
    *,
    found: Found,
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="Their address of mail.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="They administer the hub.")] = False,
    password_stdin: _FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a user, with a password that is read from standard input or asked for twice."""
    password = _password(from_stdin=password_stdin)
    made = with_accounts(found.settings, lambda who: who.users.add(name, password, email=email or None, is_admin=admin))
    show(made, [[made.name, "made"]], as_json=as_json)


@app.command("list")
@with_settings
def list_(
    *,
    found: Found,
    after: Annotated[str, typer.Option(metavar="NAME", help="Begin behind this name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List users by name."""
    users = with_accounts(found.settings, lambda who: who.users.page(after, limit))
    rows = [
        [
            user.name,
            user.email or "-",
            "administrator" if user.is_admin else "user",
            "active" if user.is_active else "locked",
            f"signed in {instant(user.signed_in_at)}",
        ]
        for user in users
    ]
    show(users, rows, as_json=as_json)


@app.command("password")
@with_settings
def password_(name: _Name, *, found: Found, password_stdin: _FromStdin = False) -> None:
    """Replace a user's password, and end all that they are signed in with; tokens stay."""
    given = _password(from_stdin=password_stdin)
    with_accounts(found.settings, lambda who: who.users.set_password(name, given))
    typer.echo(f"the password of {name} was replaced")


@app.command()
@with_settings
def email(name: _Name, address: Annotated[str, typer.Argument(metavar="ADDRESS")] = "", *, found: Found) -> None:
    """Replace a user's address of mail; without one, they have none."""
    with_accounts(found.settings, lambda who: who.users.set_email(name, address or None))
    typer.echo(f"{name}: {address or 'no address'}")


@app.command()
@with_settings
def lock(name: _Name, *, found: Found) -> None:
    """End all that a user is signed in with, and let them sign in no more."""
    with_accounts(found.settings, lambda who: who.users.set_active(name, is_active=False))
    typer.echo(f"{name} is locked")


@app.command()
@with_settings
def unlock(name: _Name, *, found: Found) -> None:
    """Let a user sign in again."""
    with_accounts(found.settings, lambda who: who.users.set_active(name, is_active=True))
    typer.echo(f"{name} may sign in")


@app.command()
@with_settings
def promote(name: _Name, *, found: Found) -> None:
    """Make a user an administrator of the hub."""
    with_accounts(found.settings, lambda who: who.users.set_admin(name, is_admin=True))
    typer.echo(f"{name} administers the hub")


@app.command()
@with_settings
def demote(name: _Name, *, found: Found) -> None:
    """Make an administrator of the hub a user like others."""
    with_accounts(found.settings, lambda who: who.users.set_admin(name, is_admin=False))
    typer.echo(f"{name} administers the hub no more")


@app.command()
@with_settings
def rename(name: _Name, new: NewName, *, found: Found) -> None:
    """Give a user another name; the former one leads to their repositories, and is given to nobody else."""
    rename_namespace(found, name, new, "user")


@app.command()
@with_settings
def usage(name: _Name, *, found: Found, as_json: AsJson = False) -> None:
    """Show what a user has of what the plan allows."""
    show_usage(found, name, as_json=as_json)


@app.command()
@with_settings
def pulls(name: _Name, *, found: Found, as_json: AsJson = False) -> None:
    """Show the pulls of the last six hours by a user, in spans of five minutes: from where, with which token, and of what."""
    show_pulls(found, name, as_json=as_json)


@app.command()
@with_settings
def visibility(name: _Name, default: Visibility, *, found: Found) -> None:
    """Say whether repositories that a push makes in a user's namespace are public or private."""
    set_default_visibility(found, name, default)


@app.command()
@with_settings
def delete(name: _Name, *, found: Found, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a user with their tokens and memberships; their repositories stay, and their name is given to nobody else."""
    if not yes and not typer.confirm(f"Delete {name}?"):
        raise typer.Exit(1)
    with_accounts(found.settings, lambda who: who.users.delete(name))
    typer.echo(f"{name} was deleted")


def _password(*, from_stdin: bool) -> str:
    """Return a password: the first line of standard input, or what was typed twice."""
    if from_stdin:
        return sys.stdin.readline(_LONGEST).rstrip("\r\n")
    if not sys.stdin.isatty():
        refuse("say --password-stdin and give the password on standard input: there is no terminal to ask at", WRONG_USE)
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed
