"""Organisations, and who is in them."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Member as Found
from entrepot.domain.accounts.model import Place
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import After, Limit, Page, Segment, Sent, Shown, instant, paged
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("organisations", PREFIX)


class Membership(Shown):
    """A user in an organisation, or an organisation that a user is in."""

    name: str
    role: Place
    joined_at: datetime

    @classmethod
    def of(cls, found: Found) -> Self:
        """Return what is shown of it."""
        return cls(name=found.name, role=found.place, joined_at=instant(found.joined_at))


class NewOrganisation(Sent):
    """An organisation to be made; without an owner it is whoever asks."""

    name: Annotated[str, Field(max_length=1000)]
    owner: Annotated[str, Field(max_length=1000)] | None = None


class Organisation(Shown):
    """An organisation; `role` is what whoever asks is there, null for those who are not in it."""

    name: str
    role: Place | None
    makes_private: bool = Field(description="Repositories that a push makes here are private.")
    requires_second_factor: bool


class OrganisationChange(Sent):
    """One change, so that it is made wholly or not at all."""

    makes_private: bool | None = None
    requires_second_factor: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1 or any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("change one thing at a time: makes_private or requires_second_factor")
        return self


class NewPlace(Sent):
    """What a member is to be."""

    role: Annotated[Place, Field(strict=False)] = Place.MEMBER


@_noun.get("/organisations")
async def list_organisations(asked: Asking) -> Page[Membership]:
    """List the organisations that whoever asks is in."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, asked.actor.name, "user")
    found = await asked.verbs.organisations.of_account(asked.actor.account)
    return Page(items=[Membership.of(each) for each in found])


@_noun.post("/organisations")
async def create_organisation(asked: Asking, body: NewOrganisation) -> Organisation:
    """Make an organisation. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    owner = asked.actor.name if body.owner is None else body.owner
    await asked.verbs.organisations.add(body.name, owner)
    return await _shown(asked, body.name)


@_noun.get("/organisations/{organisation}")
async def get_organisation(asked: Asking, organisation: Segment) -> Organisation:
    """Show an organisation to its members."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, organisation)
    return await _shown(asked, organisation)


@_noun.patch("/organisations/{organisation}")
async def change_organisation(asked: Asking, organisation: Segment, body: OrganisationChange) -> Organisation:
    """Say what repositories are that a push makes, or whether members need two-factor sign-in. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    require_no_token(asked)
    await asked.verbs.organisations.settings(organisation)  # raises for what is no organisation
    if body.makes_private is not None:
        await asked.verbs.organisations.set_visibility(organisation, public=not body.makes_private)
    else:
        is_required = bool(body.requires_second_factor)
        await asked.verbs.organisations.require_second_factor(organisation, is_required=is_required)
    return await _shown(asked, organisation)


@_noun.delete("/organisations/{organisation}")
async def delete_organisation(asked: Asking, organisation: Segment) -> None:
    """Delete an organisation without repositories, with its teams, robots and tokens. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    require_no_token(asked)
    await asked.verbs.names.delete_organisation(organisation)


@_noun.get("/organisations/{organisation}/members")
async def list_members(asked: Asking, organisation: Segment, after: After = "", limit: Limit = 100) -> Page[Membership]:
    """List the members of an organisation by name. For its members."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS, organisation)
    found = await asked.verbs.organisations.members(organisation, after, limit + 1)
    return paged(found, limit, Membership.of, lambda each: each.name)


@_noun.put("/organisations/{organisation}/members/{user}")
async def set_member(asked: Asking, organisation: Segment, user: Segment, body: NewPlace) -> None:
    """Put a user into an organisation, or give a member another role. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    if body.role is Place.OWNER:
        require_no_token(asked)
    await asked.verbs.organisations.set_member(organisation, user, body.role)


@_noun.delete("/organisations/{organisation}/members/{user}")
async def remove_member(asked: Asking, organisation: Segment, user: Segment) -> None:
    """Take a user out of an organisation and its teams. For owners, and for themselves."""
    itself = user == asked.actor.name and bool(asked.actor.account) and asked.actor.terms is None
    await asked.verbs.permits.in_namespace(asked.actor, Action.SEE_MEMBERS if itself else Action.MANAGE, organisation)
    await asked.verbs.organisations.remove_member(organisation, user)


async def _shown(asked: Asked, organisation: str) -> Organisation:
    """Return what is shown of an organisation. Raises OrganisationUnknown."""
    public, is_factor_required = await asked.verbs.organisations.settings(organisation)
    standing = await asked.verbs.organisations.standing(asked.actor.account, organisation)
    return Organisation(
        name=organisation, role=standing.place, makes_private=not public, requires_second_factor=is_factor_required
    )
