"""Signing up, joining and getting back in: what needs no sign-in, or a link that was sent or handed over.

A link is given whole or by its last part alone. It stands in a body, because addresses are written into logs.
"""

from typing import Annotated, Final

from pydantic import Field

from entrepot.base.addresses import network_of
from entrepot.domain.access.errors import Unproven
from entrepot.domain.access.model import Action
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.invitations import Invitation
from entrepot.web.api.models import Sent
from entrepot.web.api.organisations import Membership
from entrepot.web.api.routing import PREFIX, Noun
from entrepot.web.api.users import User, require_password

_noun: Final = Noun("links", PREFIX)
_Text = Annotated[str, Field(max_length=1000)]


class GivenLink(Sent):
    """A link, whole or its last part."""

    link: _Text

    @property
    def secret(self) -> str:
        """Its last part."""
        return self.link.strip().rpartition("/")[2]


class SignUp(Sent):
    """A new account; without a link where everyone may make one and no mail can be sent."""

    name: _Text
    password: _Text
    link: _Text = ""


class NewPassword(GivenLink):
    """A password in place of the one that was forgotten."""

    password: _Text


class EmailAsked(Sent):
    """An address that a link is to be sent to."""

    email: _Text


class OwnEmailAsked(EmailAsked):
    """One's own new address."""

    current_password: _Text


class ResetAsked(Sent):
    """The name, or the address of mail, of somebody who has forgotten their password."""

    user: _Text


@_noun.post("/links/sign-up", status=204)
async def ask_for_account(asked: Asking, body: EmailAsked) -> None:
    """Have a link sent by which an account can be made, where everyone may; the answer is the same for every address."""
    await asked.verbs.invitations.ask(body.email, _network(asked))


@_noun.post("/links/password", status=204)
async def ask_for_password(asked: Asking, body: ResetAsked) -> None:
    """Have a link sent for another password; the answer is the same whether there is such a user or not."""
    await asked.verbs.recovery.ask_reset(body.user, _network(asked))


@_noun.post("/links/email", status=204)
async def ask_for_email(asked: Asking, body: OwnEmailAsked) -> None:
    """Have a link sent to an address, which is one's own from when the link is followed."""
    await _require_self(asked)
    await require_password(asked, asked.actor.name, body.current_password)
    account = await asked.verbs.users.find(asked.actor.name)
    await asked.verbs.recovery.ask_address(account, body.email, _network(asked))


@_noun.post("/links/look", status=200)
async def look_at_invitation(asked: Asking, body: GivenLink) -> Invitation:
    """Show the invitation that a link is."""
    return Invitation.of(await asked.verbs.invitations.look(body.secret))


@_noun.post("/sign-up")
async def sign_up(asked: Asking, body: SignUp) -> User:
    """Make an account by a link; without one where `--signup` is `open` and no mail can be sent."""
    verbs = asked.verbs.invitations
    if body.link:
        secret = GivenLink(link=body.link).secret
        return User.of(await verbs.accept(secret, body.name, body.password, asked.call.client))
    return User.of(await verbs.sign_up(body.name, body.password, asked.call.client))


@_noun.post("/join")
async def join_organisation(asked: Asking, body: GivenLink) -> Membership:
    """Join the organisation that an invitation leads into; whoever is in it already keeps their role."""
    await _require_self(asked)
    account = await asked.verbs.users.find(asked.actor.name)
    link = await asked.verbs.invitations.join(body.secret, account, asked.call.client)
    found = await asked.verbs.organisations.of_account(account.id)
    return next(Membership.of(each) for each in found if each.name == link.organisation)


@_noun.put("/password")
async def reset_password(asked: Asking, body: NewPassword) -> None:
    """Choose another password by a link; all that was signed in with the one before ends, and tokens stay."""
    await asked.verbs.recovery.reset(body.secret, body.password, asked.call.client)


@_noun.put("/email")
async def confirm_email(asked: Asking, body: GivenLink) -> None:
    """Show that an address is one's own, by the link that was sent there."""
    await asked.verbs.recovery.confirm_address(body.secret, asked.call.client)


def _network(asked: Asked) -> str:
    return network_of(asked.call.client)


async def _require_self(asked: Asked) -> None:
    """Do nothing when a user asks, who has signed in as themselves."""
    if not asked.actor.account:
        raise Unproven(action="use", repository="this address", scope="")
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, asked.actor.name, "user")
    require_no_token(asked)
