"""Users, and whoever asks."""

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from entrepot.domain.access.errors import PolicyRefused
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.errors import SignInRefused
from entrepot.domain.accounts.model import Account
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.models import After, Limit, Page, Segment, Sent, Shown, instant, instant_or_none, paged
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("users", PREFIX)
_Text = Annotated[str, Field(max_length=1000)]
_USER = "user"


class WhoAmI(Shown):
    """Whoever asks: `token` is the id of what they signed in with, if that is a token or a robot; `owner` whose that is."""

    name: str
    is_admin: bool
    token: str | None
    owner: str | None


class User(Shown):
    """A user."""

    name: str
    email: str | None
    is_admin: bool
    is_active: bool
    created_at: datetime
    signed_in_at: datetime | None

    @classmethod
    def of(cls, found: Account) -> Self:
        """Return what is shown of a user."""
        return cls(
            name=found.name,
            email=found.email,
            is_admin=found.is_admin,
            is_active=found.is_active,
            created_at=instant(found.created_at),
            signed_in_at=instant_or_none(found.signed_in_at),
        )


class NewUser(Sent):
    """A user to be made; without a password they cannot sign in by one."""

    name: _Text
    password: _Text | None = None
    email: _Text | None = None
    is_admin: bool = False


class UserChange(Sent):
    """One change of a user, so that it is made wholly or not at all; `current_password` is for one's own address and password."""

    email: _Text | None = None
    password: _Text | None = None
    is_admin: bool | None = None
    is_active: bool | None = None
    current_password: _Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        changes = self.model_fields_set - {"current_password"}
        if len(changes) != 1:
            raise ValueError("change one thing at a time: email, password, is_admin or is_active")
        (name,) = changes
        if name != "email" and getattr(self, name) is None:
            raise ValueError(f"{name} cannot be null")
        return self


@_noun.get("/user")
async def who_am_i(asked: Asking) -> WhoAmI:
    """Tell who asks; 'anyone' for nobody."""
    actor = asked.actor
    return WhoAmI(name=actor.name, is_admin=actor.is_admin, token=actor.credential or None, owner=actor.owner or None)


@_noun.get("/users")
async def list_users(asked: Asking, after: After = "", limit: Limit = 100) -> Page[User]:
    """List users by name. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    return paged(await asked.verbs.users.page(after, limit + 1), limit, User.of, lambda user: user.name)


@_noun.post("/users")
async def create_user(asked: Asking, body: NewUser) -> User:
    """Make a user. For administrators."""
    await asked.verbs.permits.on_hub(asked.actor)
    if body.is_admin:
        require_no_token(asked)
    return User.of(await asked.verbs.users.add(body.name, body.password, email=body.email or None, is_admin=body.is_admin))


@_noun.get("/users/{user}")
async def get_user(asked: Asking, user: Segment) -> User:
    """Show a user. For themselves and for administrators."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, _USER)
    return User.of(await asked.verbs.users.find(user))


@_noun.patch("/users/{user}")
async def change_user(asked: Asking, user: Segment, body: UserChange) -> User:
    """Change a user. For themselves: their password, and to have no address; the rest is for administrators."""
    users = asked.verbs.users
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, _USER)
    require_no_token(asked)
    if body.is_admin is not None:
        await asked.verbs.permits.on_hub(asked.actor)
        await users.set_admin(user, is_admin=body.is_admin)
    elif body.is_active is not None:
        await asked.verbs.permits.on_hub(asked.actor)
        await users.set_active(user, is_active=body.is_active)
    else:
        if body.email:  # nobody else says of themselves that an address is theirs: that is proved by a link
            await asked.verbs.permits.on_hub(asked.actor)
        await require_password(asked, user, body.current_password)
        if body.password is not None:
            await users.set_password(user, body.password)
        else:
            await users.set_email(user, body.email or None)
    return User.of(await users.find(user))


@_noun.delete("/users/{user}")
async def delete_user(asked: Asking, user: Segment) -> None:
    """Delete a user with their tokens and memberships. Their repositories stay, and their name is given to nobody else."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, _USER)
    if asked.actor.name == user and (asked.by_token or asked.actor.credential):
        raise PolicyRefused(reason="sign in with your password (HTTP Basic) to delete your account: a token cannot")
    require_no_token(asked)
    await asked.verbs.users.delete(user)


async def require_password(asked: Asked, user: str, password: str | None) -> None:
    """Do nothing when somebody else is changed, or whoever asks gave their own password: a token that was found is not enough."""
    if asked.actor.name != user:
        return
    try:
        await asked.verbs.signing.sign_in(user, password or "", asked.call.client)
    except SignInRefused:
        raise PolicyRefused(reason="current_password is not your password, which this change asks for") from None
