"""May somebody do something? Answered with the reason: what they are there, or what was granted to whom for which names."""

from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.domain.access.errors import Denied, Hidden, Renamed
from entrepot.domain.access.model import Action, Actor, may, roles
from entrepot.domain.accounts.errors import AccountUnknown
from entrepot.domain.accounts.model import Account, Held, InNamespace
from entrepot.domain.registry.errors import RepositoryUnknown
from entrepot.spec.oci.names import LIBRARY, NameInvalid, RepositoryName
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.pages.publishers import Visit
from entrepot.web.shared.call import Call

ACTIONS: Final = (Action.PULL, Action.PUSH, Action.DELETE, Action.CONFIGURE)


class Question(msgspec.Struct, frozen=True):
    """What was asked, as it was typed."""

    who: str = ""
    action: str = Action.PULL.value
    image: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The answer: `why` is a word for the reason, `team` the team that has the grant, if it is known to be one.

    `needs_factor` tells that it holds for whoever has a second factor. Whether somebody has one is theirs to tell.
    """

    is_yes: bool
    why: str
    name: str = ""  # of the image
    needs_factor: bool = False
    place: str = ""
    team: str = ""
    held: Held | None = None


def question_of(call: Call) -> Question:
    """Read what was asked from the address. Raises QueryInvalid."""
    action = call.one("action") or ""
    known = action if action in {each.value for each in ACTIONS} else Action.PULL.value
    return Question((call.one("who") or "").strip(), known, (call.one("image") or "").strip())


async def reply_to(at: Visit, organisation: str, asked: Question) -> Reply | None:
    """Answer whoever manages the organisation; None when nothing was asked. That somebody runs the hub is not told."""
    if not asked.who or not asked.image:
        return None
    path = asked.image.removeprefix(f"{organisation}/").partition(":")[0]
    try:
        name = RepositoryName.parse(f"{organisation}/{path}")
        account = await at.desk.users.find(asked.who)
    except NameInvalid:
        return Reply(is_yes=False, why="image", name=asked.image)
    except AccountUnknown:
        return Reply(is_yes=False, why="user")
    if asked.action == Action.PULL and await _is_public(at, name):
        return Reply(is_yes=True, why="public", name=shown(name))
    standing = replace(await at.desk.organisations.standing(account.id, organisation), lacks_factor=False)
    found = await _reason(at.desk, account, standing, Action(asked.action), name)
    _, needs_factor = await at.desk.organisations.settings(organisation)
    return replace(found, needs_factor=found.is_yes and needs_factor)


async def _reason(desk: Desk, account: Account, standing: InNamespace, action: Action, name: RepositoryName) -> Reply:
    """Tell by what they may: each of what they have is looked at by itself, by the rule that decides."""
    actor, image = Actor(account.name, account.id), shown(name)

    def suffices(part: InNamespace) -> bool:
        return may(actor, action, roles(actor, part, name.stored), name.stored)

    if suffices(InNamespace(standing.kind, standing.place)):
        return Reply(is_yes=True, why="place", name=image, place=standing.place or "")
    if not suffices(standing):
        return Reply(is_yes=False, why="nothing", name=image, place=standing.place or "")
    teams = await desk.organisations.teams_of(account.id, name.namespace)
    for team, held in await desk.organisations.granted_to_teams(name.namespace):
        if team in teams and suffices(InNamespace(standing.kind, None, (held,))):
            return Reply(is_yes=True, why="team", name=image, team=team, held=held)
    alone = next((held for held in standing.held if suffices(InNamespace(standing.kind, None, (held,)))), None)
    return Reply(is_yes=True, why="alone", name=image, held=alone)


def shown(name: RepositoryName) -> str:
    """Return a repository's name as pages write it."""
    return name.stored.removeprefix(f"{LIBRARY}/")


async def _is_public(at: Visit, name: RepositoryName) -> bool:
    try:
        return (await at.registry.listing.one(at.call.actor, name)).public
    except (Denied, Hidden, Renamed, RepositoryUnknown):
        return False
