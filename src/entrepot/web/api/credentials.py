"""Tokens of users and organisations, and robots: a secret is shown once, in the answer that makes it."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field

from entrepot.domain.access.errors import PolicyRefused
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.errors import CredentialUnknown
from entrepot.domain.accounts.model import Credential as Found
from entrepot.domain.accounts.model import Held, Kind, Scope, Terms
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.models import Page, Segment, Sent, Shown, instant, instant_or_none
from entrepot.web.api.routing import PREFIX, Noun
from entrepot.web.api.teams import Granted, NewRole

_tokens: Final = Noun("tokens", PREFIX)
_robots: Final = Noun("robots", PREFIX)
_DAY_S: Final = 86_400
_Text = Annotated[str, Field(max_length=1000)]
_Texts = Annotated[tuple[_Text, ...], Field(max_length=100, strict=False)]
_Days = Annotated[int, Field(ge=1, le=36_500)]


class Credential(Shown):
    """A token or a robot, without its secret; `owner` is the user or the organisation that it belongs to."""

    id: str
    kind: Kind
    owner: str
    name: str
    scope: Scope
    repositories: list[str]
    tags: list[str]
    networks: list[str]
    grants: list[Granted]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    used_from: str | None
    secret: str | None = Field(default=None, description="In the answer that makes it, and never again.")

    @classmethod
    def of(cls, found: Found, secret: str | None = None) -> Self:
        """Return what is shown of it."""
        return cls(
            id=found.id,
            kind=found.kind,
            owner=found.owner,
            name=found.name,
            scope=found.terms.scope,
            repositories=list(found.terms.repositories),
            tags=list(found.terms.tags),
            networks=list(found.terms.networks),
            grants=[Granted(pattern=each.pattern, role=each.role) for each in found.terms.grants],
            created_by=found.created_by,
            created_at=instant(found.created_at),
            expires_at=instant_or_none(found.expires_at),
            revoked_at=instant_or_none(found.revoked_at),
            used_at=instant_or_none(found.used_at),
            used_from=found.used_from,
            secret=secret,
        )


class NewToken(Sent):
    """A token to be made: what it is for, and what it allows at the most."""

    name: _Text
    scope: Annotated[Scope, Field(strict=False)] = Scope.READ
    repositories: _Texts = ()
    tags: _Texts = ()
    networks: _Texts = ()
    expires_in_days: _Days | None = None

    @property
    def terms(self) -> Terms:
        """What it allows."""
        return Terms(self.scope, self.repositories, self.tags, self.networks)


class NewGrant(NewRole):
    """What a robot may do with the repositories of a pattern."""

    pattern: _Text


class NewRobot(Sent):
    """A robot to be made: it signs in as NAMESPACE+NAME."""

    name: _Text
    grants: Annotated[list[NewGrant], Field(min_length=1, max_length=100)]
    networks: _Texts = ()
    expires_in_days: _Days | None = None

    @property
    def terms(self) -> Terms:
        """What it allows."""
        held = tuple(Held(each.pattern, each.role) for each in self.grants)
        return Terms(Scope.DELETE, networks=self.networks, grants=held)


@_tokens.get("/users/{user}/tokens")
async def list_user_tokens(asked: Asking, user: Segment) -> Page[Credential]:
    """List a user's tokens, newest first. For themselves and for administrators."""
    await _require_user(asked, user)
    found = await asked.verbs.credentials.of_account(await asked.verbs.users.find(user))
    return Page(items=[Credential.of(each) for each in found])


@_tokens.post("/users/{user}/tokens")
async def create_user_token(asked: Asking, user: Segment, body: NewToken) -> Credential:
    """Make a token of a user's. A token cannot make another one: it would outlive its own end."""
    await _require_user(asked, user)
    require_no_token(asked)
    made, secret = await asked.verbs.credentials.add_personal(
        user, body.name, body.terms, lifetime_s=_seconds(body.expires_in_days)
    )
    return Credential.of(made, secret)


@_tokens.delete("/users/{user}/tokens/{token}")
async def revoke_user_token(asked: Asking, user: Segment, token: Segment) -> None:
    """Let a user's token sign in no more, at once."""
    await _require_user(asked, user)
    await _revoke(asked, user, Kind.PERSONAL, token)


@_tokens.get("/organisations/{organisation}/tokens")
async def list_organisation_tokens(asked: Asking, organisation: Segment) -> Page[Credential]:
    """List an organisation's tokens, newest first. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    found = await asked.verbs.credentials.of_namespace(organisation, Kind.ORGANISATION)
    return Page(items=[Credential.of(each) for each in found])


@_tokens.post("/organisations/{organisation}/tokens")
async def create_organisation_token(asked: Asking, organisation: Segment, body: NewToken) -> Credential:
    """Make a token of an organisation's. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    require_no_token(asked)
    await asked.verbs.organisations.members(organisation, "", 1)  # raises for what is no organisation
    made, secret = await asked.verbs.credentials.add_organisation(
        organisation, body.name, body.terms, created_by=asked.actor.name, lifetime_s=_seconds(body.expires_in_days)
    )
    return Credential.of(made, secret)


@_tokens.delete("/organisations/{organisation}/tokens/{token}")
async def revoke_organisation_token(asked: Asking, organisation: Segment, token: Segment) -> None:
    """Let an organisation's token sign in no more, at once. For owners."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, organisation)
    await _revoke(asked, organisation, Kind.ORGANISATION, token)


@_robots.get("/namespaces/{namespace}/robots")
async def list_robots(asked: Asking, namespace: Segment) -> Page[Credential]:
    """List the robots of a namespace, newest first. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, "namespace")
    found = await asked.verbs.credentials.of_namespace(namespace, Kind.ROBOT)
    return Page(items=[Credential.of(each) for each in found])


@_robots.post("/namespaces/{namespace}/robots")
async def create_robot(asked: Asking, namespace: Segment, body: NewRobot) -> Credential:
    """Make a robot. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, "namespace")
    require_no_token(asked)
    made, secret = await asked.verbs.credentials.add_robot(
        namespace, body.name, body.terms, created_by=asked.actor.name, lifetime_s=_seconds(body.expires_in_days)
    )
    return Credential.of(made, secret)


@_robots.delete("/namespaces/{namespace}/robots/{robot}")
async def revoke_robot(asked: Asking, namespace: Segment, robot: Segment) -> None:
    """Let a robot, whose id is given, sign in no more, at once. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, "namespace")
    await _revoke(asked, namespace, Kind.ROBOT, robot)


def require_no_token(asked: Asked) -> None:
    """Do nothing when whoever asks has signed in as themselves.

    What a token made would outlive it, and be good from elsewhere: a token that was found must not become one for ever.
    """
    if asked.actor.credential:
        raise PolicyRefused(
            reason="sign in with your password: a token makes no other one, and does not decide about people, names and plans"
        )


async def _require_user(asked: Asked, user: str) -> None:
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")


async def _revoke(asked: Asked, owner: str, kind: Kind, id_: str) -> None:
    """Revoke what is of that owner and kind. Raises CredentialUnknown."""
    found = await asked.verbs.credentials.find(id_)
    if found.owner != owner or found.kind is not kind:
        raise CredentialUnknown(id=id_)
    await asked.verbs.credentials.revoke(id_)


def _seconds(days: int | None) -> int | None:
    return None if days is None else days * _DAY_S
