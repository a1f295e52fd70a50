"""Who may do what with an image: by their place, by teams, alone, and robots; and letting single users in."""

from typing import Final

import msgspec
from msgspec.structs import replace

from entrepot.base.clock import now_us
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.errors import OrganisationUnknown
from entrepot.domain.accounts.model import Credential, Grant, Held, Kind, Member, Place, matches
from entrepot.spec.oci.names import RepositoryName
from entrepot.web.hub.pages.images import Sight, card_of
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.publishers import Visit
from entrepot.web.hub.pages.teams import role_in
from entrepot.web.hub.pages.tokens import Token
from entrepot.web.hub.pages.wrongs import REFUSED, Refusal, refusal_of
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

_MOST_MEMBERS: Final = 1000


class Given(msgspec.Struct, frozen=True):
    """What somebody, or a team, was given for a pattern; `is_of_more` tells that it is for other images too."""

    name: str
    held: Held
    is_of_more: bool


class SharingPage(msgspec.Struct, frozen=True):
    """All who may do something, and the form for one more as it was typed.

    `path` is the image's name behind its namespace's.
    """

    sight: Sight
    namespace: str
    path: str
    members: list[Member]  # those who may push by their place
    teams: list[Given]
    users: list[Given]
    robots: list[tuple[Credential, Grant]]
    who: str = ""
    role: str = Grant.READ.value
    refusal: Refusal | None = None
    roles: tuple[Grant, ...] = tuple(Grant)


async def sharing(at: Visit, name: RepositoryName) -> Answer:
    """GET and POST /r/NAME/-/access: for those who may grant access in its namespace.

    Raises:
        AddressUnknown, Denied, FormRefused, FormUnreadable, Hidden, RegistryReadOnly, Renamed, RepositoryUnknown, Unproven
    """
    card, about = await card_of(at.registry, at.shop, at.call.actor, name)
    await at.require(Action.GRANT, name.namespace)
    sight = Sight(card, f"{at.frame.host}/{card.name}", about.archived_at is not None, "settings", None, None)
    if not at.is_form:
        return at.page("sharing.html", await _shown(at, sight, name))
    form = await at.form()
    who, verbs = form.get("who", "").strip(), at.desk.organisations.acting(at.author)
    path = name.stored.partition("/")[2]
    try:
        if form.get("do") == "grant":
            await verbs.grant_to_account(name.namespace, who, Held(path, role_in(form)))
        elif form.get("do") == "withdraw":
            await verbs.withdraw_from_account(name.namespace, who, form.get("pattern", ""))
        else:
            raise AddressUnknown
    except REFUSED as error:
        refusal = refusal_of(error)
        shown = replace(await _shown(at, sight, name), who=who, role=form.get("role", ""), refusal=refusal)
        return at.page("sharing.html", shown, refusal.status)
    return to(f"/r/{card.name}/-/access")


async def _shown(at: Visit, sight: Sight, name: RepositoryName) -> SharingPage:
    namespace, _, path = name.stored.partition("/")
    there, at_us = at.desk.organisations, now_us()

    def given(found: list[tuple[str, Held]]) -> list[Given]:
        return [Given(who, held, held.pattern != path) for who, held in found if matches(held.pattern, path)]

    try:
        members = [each for each in await there.members(namespace, "", _MOST_MEMBERS) if each.place is not Place.MEMBER]
    except OrganisationUnknown:  # it is somebody's own
        members = []
    robots = [
        (each, held.role)
        for each in await at.desk.credentials.of_namespace(namespace, Kind.ROBOT)
        for held in each.terms.grants
        if Token.of(each, at_us).holds and matches(held.pattern, path)
    ]
    teams, users = await there.granted_to_teams(namespace), await there.granted_to_accounts(namespace)
    return SharingPage(sight, namespace, path, members, given(teams), given(users), robots)
