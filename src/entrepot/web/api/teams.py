"""Teams of organisations: who is in them, and what they may do."""

from typing import Annotated, Final

from pydantic import Field

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Grant, Held
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import Page, Segment, Sent, Shown
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("teams", f"{PREFIX}/organisations/{{organisation}}/teams")


class TeamEntry(Shown):
    """A team as it is listed."""

    name: str
    description: str


class Granted(Shown):
    """What may be done with the repositories of a pattern, which stands for names behind the organisation's."""

    pattern: str
    role: Grant


class Team(Shown):
    """A team: the names of its members, and what it may do."""

    name: str
    members: list[str]
    grants: list[Granted]


class NewTeam(Sent):
    """A team to be made."""

    name: Annotated[str, Field(max_length=1000)]
    description: Annotated[str, Field(max_length=1000)] = ""


class NewRole(Sent):
    """What is to be granted."""

    role: Annotated[Grant, Field(strict=False)]


@_noun.get("")
async def list_teams(asked: Asking, organisation: Segment) -> Page[TeamEntry]:
    """List the teams of an organisation. For its members."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, organisation)
    found = await asked.verbs.organisations.teams(organisation)
    return Page(items=[TeamEntry(name=each.name, description=each.description) for each in found])


@_noun.post("")
async def create_team(asked: Asking, organisation: Segment, body: NewTeam) -> TeamEntry:
    """Make a team. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.add_team(organisation, body.name, body.description)
    return TeamEntry(name=body.name, description=body.description)


@_noun.get("/{team}")
async def get_team(asked: Asking, organisation: Segment, team: Segment) -> Team:
    """Show who is in a team, and what it may do. For members of the organisation."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, organisation)
    members, held = await asked.verbs.organisations.team(organisation, team)
    return Team(name=team, members=members, grants=[Granted(pattern=each.pattern, role=each.role) for each in held])


@_noun.delete("/{team}")
async def delete_team(asked: Asking, organisation: Segment, team: Segment) -> None:
    """Delete a team, and what was granted to it. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.delete_team(organisation, team)


@_noun.put("/{team}/members/{user}")
async def join_team(asked: Asking, organisation: Segment, team: Segment, user: Segment) -> None:
    """Put a member of the organisation into a team. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.join_team(organisation, team, user)


@_noun.delete("/{team}/members/{user}")
async def leave_team(asked: Asking, organisation: Segment, team: Segment, user: Segment) -> None:
    """Take a user out of a team. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.leave_team(organisation, team, user)


@_noun.put("/{team}/grants/{pattern}")
async def grant_to_team(asked: Asking, organisation: Segment, team: Segment, pattern: Segment, body: NewRole) -> None:
    """Let a team read, write or administer the repositories of a pattern; a slash in it is written %2F. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.grant_to_team(organisation, team, Held(pattern, body.role))


@_noun.delete("/{team}/grants/{pattern}")
async def withdraw_from_team(asked: Asking, organisation: Segment, team: Segment, pattern: Segment) -> None:
    """Withdraw what a team was granted for a pattern. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.organisations.withdraw_from_team(organisation, team, pattern)
