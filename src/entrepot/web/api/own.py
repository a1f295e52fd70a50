"""One's own account: two-factor sign-in, what is known of somebody for them to have, and the end of it.

Each change asks for the password once more, and for a code where one is needed: a token of this interface that was found is not
enough to lock its owner out.
"""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from entrepot.domain.access.errors import PolicyRefused
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Account
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import Credential, require_no_token
from entrepot.web.api.models import Segment, Sent, Shown, instant, instant_or_none
from entrepot.web.api.organisations import Membership
from entrepot.web.api.plans import MOST_PULLS, Pulls
from entrepot.web.api.routing import PREFIX, Noun
from entrepot.web.api.sessions import Session
from entrepot.web.api.teams import Granted
from entrepot.web.api.users import User, require_password

_noun: Final = Noun("own account", f"{PREFIX}/users/{{user}}")
_Text = Annotated[str, Field(max_length=1000)]


class SecondFactor(Shown):
    """Since when a code is asked for at sign-in (null: none is), and how many recovery codes are left."""

    since: datetime | None
    recovery_codes: int


class Enrolment(Shown):
    """What an app is told: the secret as it is typed, and the address that a QR code holds."""

    secret: str
    address: str


class RecoveryCodes(Shown):
    """Codes, each of which signs in once in place of the app's. They are told in this answer and never again."""

    recovery_codes: list[str]


class Code(Sent):
    """A code of the app."""

    code: Annotated[str, Field(max_length=100)]


class Proof(Sent):
    """The password, and where two-factor sign-in is on a code of the app or a recovery code."""

    current_password: _Text
    code: Annotated[str, Field(max_length=100)] = ""


class OwnTeam(Shown):
    """A team that somebody is in."""

    organisation: str
    team: str


class SentLink(Shown):
    """A link that was sent to somebody."""

    purpose: str
    email: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class OwnData(Shown):
    """All that is known of a user, but for the audit log and what lies in repositories; no secret is in it."""

    user: User
    organisations: list[Membership]
    language: str
    teams: list[OwnTeam]
    grants: list[Granted]
    tokens: list[Credential]
    sessions: list[Session]
    links: list[SentLink]
    second_factor: SecondFactor
    pulls: list[Pulls]


@_noun.get("/export")
async def export_user(asked: Asking, user: Segment) -> OwnData:
    """Give all that is known of a user. For themselves and for administrators."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    require_no_token(asked)
    found = await asked.verbs.own.export(await asked.verbs.users.find(user))
    return OwnData(
        user=User.of(found.account),
        organisations=[Membership.of(each) for each in found.organisations],
        language=found.account.language.value,
        grants=[Granted(pattern=each.pattern, role=each.role) for each in found.grants],
        pulls=[Pulls.of(each) for each in await asked.verbs.registry.pulls.recent(user, MOST_PULLS)],
        teams=[OwnTeam(organisation=each.organisation, team=each.team) for each in found.teams],
        tokens=[Credential.of(each) for each in found.tokens],
        sessions=[Session.of(each) for each in found.sessions],
        links=[
            SentLink(
                purpose=each.purpose.value,
                email=each.email,
                created_at=instant(each.created_at),
                expires_at=instant(each.expires_at),
                used_at=instant_or_none(each.used_at),
                revoked_at=instant_or_none(each.revoked_at),
            )
            for each in found.links
        ],
        second_factor=SecondFactor(
            since=instant_or_none(found.second_factor.since), recovery_codes=found.second_factor.recovery_codes
        ),
    )


@_noun.post("/deletion", status=204)
async def delete_own_account(asked: Asking, user: Segment, body: Proof) -> None:
    """Delete one's own account. The repositories stay, and the name is given to nobody else."""
    account = await _self(asked, user)
    await asked.verbs.own.delete(account, body.current_password, body.code, asked.call.client)


@_noun.get("/second-factor")
async def get_second_factor(asked: Asking, user: Segment) -> SecondFactor:
    """Tell whether two-factor sign-in is on for a user. For themselves and for administrators."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    found = await asked.verbs.enrolling.state(await asked.verbs.users.find(user))
    return SecondFactor(since=instant_or_none(found.since), recovery_codes=found.recovery_codes)


@_noun.post("/second-factor")
async def begin_second_factor(asked: Asking, user: Segment, body: Proof) -> Enrolment:
    """Begin to turn two-factor sign-in on for oneself: give the secret to an app, and one of its codes to `confirmation`."""
    account = await _self(asked, user)
    await require_password(asked, user, body.current_password)
    made = await asked.verbs.enrolling.begin(account)
    return Enrolment(secret=made.secret, address=made.address)


@_noun.post("/second-factor/confirmation", status=200)
async def confirm_second_factor(asked: Asking, user: Segment, body: Code) -> RecoveryCodes:
    """Turn two-factor sign-in on by a code of the app; all that one is signed in with ends but personal tokens."""
    account = await _self(asked, user)
    codes = await asked.verbs.enrolling.confirm(account, body.code, asked.call.client)
    return RecoveryCodes(recovery_codes=codes)


@_noun.post("/second-factor/recovery-codes", status=200)
async def renew_recovery_codes(asked: Asking, user: Segment, body: Proof) -> RecoveryCodes:
    """Replace one's recovery codes."""
    account = await _proved(asked, user, body)
    return RecoveryCodes(recovery_codes=await asked.verbs.enrolling.new_recovery_codes(account))


@_noun.post("/second-factor/removal", status=204)
async def remove_own_second_factor(asked: Asking, user: Segment, body: Proof) -> None:
    """Turn one's own two-factor sign-in off; all that one is signed in with ends but personal tokens."""
    await asked.verbs.enrolling.remove(await _proved(asked, user, body))


@_noun.delete("/second-factor")
async def remove_second_factor(asked: Asking, user: Segment) -> None:
    """Turn two-factor sign-in off for somebody who has lost their app and their codes. For administrators."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    require_no_token(asked)
    if asked.actor.name == user:
        raise PolicyRefused(
            reason="give your password and a code to .../second-factor/removal: your own is not turned off without"
        )
    await asked.verbs.enrolling.remove(await asked.verbs.users.find(user))


async def _self(asked: Asked, user: str) -> Account:
    """Return whoever asks, who has signed in as themselves."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    require_no_token(asked)
    if asked.actor.name != user:
        raise PolicyRefused(reason="only the user can do this, signed in as themselves")
    return await asked.verbs.users.find(user)


async def _proved(asked: Asked, user: str, proof: Proof) -> Account:
    """Return whoever asks, who has proved it once more."""
    await _self(asked, user)
    return await asked.verbs.sessions.prove(user, proof.current_password, proof.code, asked.call.client)
