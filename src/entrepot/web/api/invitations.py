"""Invitations: to make an account, or to join an organisation."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field

from entrepot.domain.access.model import Action, Role, roles
from entrepot.domain.accounts.model import InNamespace, Link, Place
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import Page, Segment, Sent, Shown, instant
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("invitations", PREFIX)
_MOST: Final = 1000
_DAY_S: Final = 86_400
_Text = Annotated[str, Field(max_length=1000)]


class Invitation(Shown):
    """An invitation that was not used yet; without an organisation it is to make an account, and nothing else."""

    id: str
    organisation: str | None
    role: Place | None
    email: str | None
    is_mailed: bool
    makes_account: bool = Field(description="Whoever has no account yet can make one by it.")
    invited_by: str
    created_at: datetime
    expires_at: datetime
    link: str | None = Field(default=None, description="In the answer that makes it, when it was not sent by mail.")

    @classmethod
    def of(cls, found: Link, link: str = "") -> Self:
        """Return what is shown of it."""
        return cls(
            id=found.id,
            organisation=found.organisation,
            role=found.role,
            email=found.email,
            is_mailed=found.is_mailed,
            makes_account=found.makes_account,
            invited_by=found.created_by,
            created_at=instant(found.created_at),
            expires_at=instant(found.expires_at),
            link=link or None,
        )


class NewInvitation(Sent):
    """An invitation to make an account; with an address it is sent there, where mail can be sent."""

    email: _Text = ""
    expires_in_days: Annotated[int, Field(ge=1, le=90)] = 7


class NewMember(Sent):
    """An invitation into an organisation: of a user by name, or of whoever has an address of mail."""

    invited: _Text
    role: Annotated[Place, Field(strict=False)] = Place.MEMBER


@_noun.get("/invitations")
async def list_invitations(asked: Asking) -> Page[Invitation]:
    """List all open invitations, newest first, a thousand at the most. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    return Page(items=[Invitation.of(each) for each in await asked.verbs.invitations.page("", _MOST)])


@_noun.post("/invitations")
async def invite_user(asked: Asking, body: NewInvitation) -> Invitation:
    """Invite somebody to make an account. For administrators, and for all users where `--signup` is not `closed`."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, asked.actor.name, "user")
    require_no_token(asked)
    made, link = await asked.verbs.invitations.invite_user(
        body.email,
        asked.actor.name,
        by_administrator=_administers(asked),
        inviter=asked.actor.account,
        lifetime_s=body.expires_in_days * _DAY_S,
    )
    return Invitation.of(made, link)


@_noun.delete("/invitations/{invitation}")
async def revoke_invitation(asked: Asking, invitation: Segment) -> None:
    """Let an invitation hold no longer. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    await asked.verbs.invitations.revoke(invitation)


@_noun.get("/organisations/{organisation}/invitations")
async def list_member_invitations(asked: Asking, organisation: Segment) -> Page[Invitation]:
    """List the open invitations into an organisation, newest first, a thousand at the most. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    return Page(items=[Invitation.of(each) for each in await asked.verbs.invitations.page(organisation, _MOST)])


@_noun.post("/organisations/{organisation}/invitations")
async def invite_member(asked: Asking, organisation: Segment, body: NewMember) -> Invitation:
    """Invite somebody into an organisation. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    require_no_token(asked)
    made, link = await asked.verbs.invitations.invite_member(
        organisation,
        body.invited,
        body.role,
        asked.actor.name,
        by_administrator=_administers(asked),
        inviter=asked.actor.account,
    )
    return Invitation.of(made, link)


@_noun.delete("/organisations/{organisation}/invitations/{invitation}")
async def revoke_member_invitation(asked: Asking, organisation: Segment, invitation: Segment) -> None:
    """Let an invitation into an organisation hold no longer. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await asked.verbs.invitations.revoke(invitation, organisation)


def _administers(asked: Asked) -> bool:
    return Role.ADMINISTRATOR in roles(asked.actor, InNamespace(""), "/")
