"""`entrepot invitation`, and the invitations of `user` and `member`."""

from typing import Annotated, Final

import typer

from entrepot.base.settings import Found
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import with_settings
from entrepot.cli.users import with_accounts
from entrepot.domain.accounts.model import Link, Place

app = typer.Typer(help="Invitations that were not used yet.", no_args_is_help=True)
_BY: Final = "an administrator"
_DAY_S: Final = 86_400


@app.command("list")
@with_settings
def list_(
    organisation: Annotated[str, typer.Argument(metavar="[ORGANISATION]")] = "",
    *,
    found: Found,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List open invitations, newest first; into one organisation, or all."""
    listed = with_accounts(found.settings, lambda who: who.people.invitations.page(organisation, limit))
    rows = [
        [
            each.id,
            each.email or "-",
            f"{each.role} of {each.organisation}" if each.role else "an account",
            "mailed" if each.is_mailed else "shown",
            f"until {instant(each.expires_at)}",
        ]
        for each in listed
    ]
    show(listed, rows, as_json=as_json)


@app.command()
@with_settings
def revoke(id_: Annotated[str, typer.Argument(metavar="ID")], *, found: Found) -> None:
    """Let an invitation hold no longer."""
    with_accounts(found.settings, lambda who: who.people.invitations.revoke(id_))
    typer.echo(f"the invitation {id_} was revoked")


@with_settings
def invite_user(
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="Their address of mail.")] = "",
    *,
    found: Found,
    expires_in: Annotated[int, typer.Option(min=1, max=90, metavar="DAYS", help="Until the link expires.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Invite somebody to make an account; the link is sent to them, or printed where no mail can be sent."""
    made, link = with_accounts(
        found.settings,
        lambda who: who.people.invitations.invite_user(address, _BY, by_administrator=True, lifetime_s=expires_in * _DAY_S),
    )
    _show(made, link, as_json=as_json)


@with_settings
def invite_member(
    organisation: Annotated[str, typer.Argument(metavar="ORGANISATION")],
    whom: Annotated[str, typer.Argument(metavar="USER-OR-ADDRESS")],
    *,
    found: Found,
    role: Annotated[Place, typer.Option(help="What they will be there.")] = Place.MEMBER,
    as_json: AsJson = False,
) -> None:
    """Invite a user, or whoever has an address of mail, into an organisation."""
    made, link = with_accounts(
        found.settings,
        lambda who: who.people.invitations.invite_member(organisation, whom, role, _BY, by_administrator=True),
    )
    _show(made, link, as_json=as_json)


def _show(made: Link, link: str, *, as_json: bool) -> None:
    """Print the link, which is never shown again, or where it is sent."""
    show({"invitation": made, "link": link or None}, [[link or f"the invitation is sent to {made.email}"]], as_json=as_json)
