"""`entrepot session`: where users are signed in with a browser."""

from typing import TYPE_CHECKING, Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings
from entrepot.cli.users import with_accounts
from entrepot.domain.accounts.model import Session

if TYPE_CHECKING:
    from entrepot.app.parts import Accounts

app = typer.Typer(help="Where users are signed in with a browser.", no_args_is_help=True)


@app.command("list")
@with_settings
def list_(user: Annotated[str, typer.Argument(metavar="USER")], *, found: Found, as_json: AsJson = False) -> None:
    """List the sessions of a user, newest first."""

    async def ask(who: "Accounts") -> list[Session]:
        return await who.people.sessions.of_account(await who.users.find(user))

    listed = with_accounts(found.settings, ask)
    rows = [
        [each.id, each.address, each.agent or "-", f"since {instant(each.created_at)}", f"seen {instant(each.seen_at)}"]
        for each in listed
    ]
    show(listed, rows, as_json=as_json)


@app.command()
@with_settings
def end(
    id_: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    *,
    found: Found,
    user: Annotated[str, typer.Option(metavar="USER", help="Or all of a user, and what is signed in with their password.")] = "",
) -> None:
    """End a session, or all of a user."""
    if bool(id_) == bool(user):
        refuse("say which session, or --user USER for all of theirs", WRONG_USE)

    async def ask(who: "Accounts") -> None:
        if id_:
            await who.people.sessions.end_any(id_)
        else:
            await who.people.sessions.sign_out_everywhere(await who.users.find(user))

    with_accounts(found.settings, ask)
    typer.echo(f"the session {id_} was ended" if id_ else f"all sessions of {user} were ended")
