"""`entrepot org`, `member` and `team`: organisations, who is in them, and what their teams may do."""

from enum import StrEnum
from typing import Annotated

import typer

from entrepot.base.settings import Found
from entrepot.cli.names import NewName, Visibility, rename_namespace, set_default_visibility
from entrepot.cli.opening import by_command, with_accounts, with_registry
from entrepot.cli.plans import show_pulls, show_usage
from entrepot.cli.printing import AsJson, instant, show
from entrepot.cli.settings import WRONG_USE, refuse, with_settings
from entrepot.domain.accounts.model import Grant, Held, Place

orgs = typer.Typer(help="Organisations.", no_args_is_help=True)
members = typer.Typer(help="Who is in an organisation.", no_args_is_help=True)
teams = typer.Typer(help="Teams, and what they may do.", no_args_is_help=True)
_Organisation = Annotated[str, typer.Argument(metavar="ORGANISATION")]
_Team = Annotated[str, typer.Argument(metavar="ORGANISATION/TEAM")]
_User = Annotated[str, typer.Argument(metavar="USER")]
_Pattern = Annotated[str, typer.Argument(metavar="PATTERN", help="Of repositories, without the organisation: app, backend/*, *.")]


class Switch(StrEnum):
    """Whether something is in force."""

    ON = "on"
    OFF = "off"


@orgs.command("create")
@with_settings
def create(
    name: _Organisation, *, found: Found, owner: Annotated[str, typer.Option(metavar="USER", help="Its first owner.")] = "admin"
) -> None:
    """Make an organisation."""
    with_accounts(found.settings, lambda who: who.organisations.add(name, owner))
    typer.echo(f"{name} belongs to {owner}")


@orgs.command()
@with_settings
def rename(name: _Organisation, new: NewName, *, found: Found) -> None:
    """Give an organisation another name; the former one leads to its repositories, and is given to nobody else."""
    rename_namespace(found, name, new, "organisation")


@orgs.command()
@with_settings
def delete(name: _Organisation, *, found: Found, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete an organisation without repositories, with its teams, robots and tokens; its name is given to nobody else."""
    if not yes and not typer.confirm(f"Delete {name} with its teams, robots and tokens?"):
        raise typer.Exit(1)
    with_registry(found.settings, lambda registry: registry.names.acting(by_command()).delete_organisation(name))
    typer.echo(f"{name} was deleted")


@orgs.command()
@with_settings
def usage(name: _Organisation, *, found: Found, as_json: AsJson = False) -> None:
    """Show what an organisation has of what the plan allows."""
    show_usage(found, name, as_json=as_json)


@orgs.command()
@with_settings
def pulls(name: _Organisation, *, found: Found, as_json: AsJson = False) -> None:
    """Show the pulls of the last six hours by tokens and robots of an organisation: from where and of what."""
    show_pulls(found, name, as_json=as_json)


@orgs.command()
@with_settings
def visibility(name: _Organisation, default: Visibility, *, found: Found) -> None:
    """Say whether repositories that a push makes in an organisation are public or private."""
    set_default_visibility(found, name, default)


@orgs.command("two-factor")
@with_settings
def two_factor(organisation: _Organisation, switch: Annotated[Switch, typer.Argument(metavar="on|off")], *, found: Found) -> None:
    """Let those who have no second factor do nothing in an organisation until they have one, or let them again."""
    is_required = switch is Switch.ON
    with_accounts(found.settings, lambda who: who.organisations.require_second_factor(organisation, is_required=is_required))
    typer.echo(f"{organisation} {'asks' if is_required else 'does not ask'} its members for a second factor")


@members.command("list")
@with_settings
def list_members(organisation: _Organisation, *, found: Found, as_json: AsJson = False) -> None:
    """List the members of an organisation by name."""
    listed = with_accounts(found.settings, lambda who: who.organisations.members(organisation, "", 10_000))
    show(listed, [[each.name, each.place.value, f"since {instant(each.joined_at)}"] for each in listed], as_json=as_json)


@members.command("add")
@with_settings
def add_member(
    organisation: _Organisation,
    user: _User,
    *,
    found: Found,
    role: Annotated[Place, typer.Option(help="What they are there.")] = Place.MEMBER,
) -> None:
    """Put a user into an organisation, or give a member another role."""
    with_accounts(found.settings, lambda who: who.organisations.set_member(organisation, user, role))
    typer.echo(f"{user} is {role.value} of {organisation}")


@members.command("remove")
@with_settings
def remove_member(organisation: _Organisation, user: _User, *, found: Found) -> None:
    """Take a user out of an organisation and its teams."""
    with_accounts(found.settings, lambda who: who.organisations.remove_member(organisation, user))
    typer.echo(f"{user} is no longer in {organisation}")


@teams.command("list")
@with_settings
def list_teams(organisation: _Organisation, *, found: Found, as_json: AsJson = False) -> None:
    """List the teams of an organisation."""
    listed = with_accounts(found.settings, lambda who: who.organisations.teams(organisation))
    show(listed, [[each.name, each.description or "-"] for each in listed], as_json=as_json)


@teams.command("show")
@with_settings
def show_team(team: _Team, *, found: Found, as_json: AsJson = False) -> None:
    """Show who is in a team, and what it may do."""
    organisation, name = _parts(team)
    inside, held = with_accounts(found.settings, lambda who: who.organisations.team(organisation, name))
    rows = [*(["member", each, ""] for each in inside), *(["may", each.role.value, each.pattern] for each in held)]
    show({"members": inside, "grants": held}, rows, as_json=as_json)


@teams.command("create")
@with_settings
def create_team(
    team: _Team, *, found: Found, description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = ""
) -> None:
    """Make a team."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.add_team(organisation, name, description))
    typer.echo(f"{team} was made")


@teams.command("delete")
@with_settings
def delete_team(team: _Team, *, found: Found) -> None:
    """Delete a team, and what was granted to it."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.delete_team(organisation, name))
    typer.echo(f"{team} was deleted")


@teams.command("add")
@with_settings
def join_team(team: _Team, user: _User, *, found: Found) -> None:
    """Put a member of the organisation into a team."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.join_team(organisation, name, user))
    typer.echo(f"{user} is in {team}")


@teams.command("remove")
@with_settings
def leave_team(team: _Team, user: _User, *, found: Found) -> None:
    """Take a user out of a team."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.leave_team(organisation, name, user))
    typer.echo(f"{user} is no longer in {team}")


@teams.command("grant")
@with_settings
def grant(
    team: _Team, pattern: _Pattern, role: Annotated[Grant, typer.Argument(metavar="read|write|admin")], *, found: Found
) -> None:
    """Let a team read, write or administer the repositories of a pattern."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.grant_to_team(organisation, name, Held(pattern, role)))
    typer.echo(f"{team} may {role.value} {organisation}/{pattern}")


@teams.command("withdraw")
@with_settings
def withdraw(team: _Team, pattern: _Pattern, *, found: Found) -> None:
    """Withdraw what a team was granted for a pattern."""
    organisation, name = _parts(team)
    with_accounts(found.settings, lambda who: who.organisations.withdraw_from_team(organisation, name, pattern))
    typer.echo(f"{team} was granted nothing for {organisation}/{pattern} any more")


def _parts(team: str) -> tuple[str, str]:
    organisation, slash, name = team.partition("/")
    if not slash:
        refuse(f"the team is '{team}': expected ORGANISATION/TEAM", WRONG_USE)
    return organisation, name
