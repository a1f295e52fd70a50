"""Signing in: POST /v2/users/login, which is old and everywhere, and POST /v2/auth/token."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.models import Shown
from entrepot.web.api.routing import Noun

_noun: Final = Noun("docker hub", "/v2")
_Text = Annotated[str, Field(max_length=1000)]


class Login(BaseModel):
    """A name and a password, or the secret of a token or robot."""

    username: _Text
    password: _Text


class AuthToken(BaseModel):
    """The same in newer words."""

    identifier: _Text
    secret: _Text


class LoggedIn(Shown):
    """A token of the JSON interface."""

    token: str


class Authorized(Shown):
    """The same in newer words."""

    access_token: str


@_noun.post("/users/login", status=200)
async def hub_login(asked: Asking, body: Login) -> LoggedIn:
    """Give a token, to be sent as Bearer or JWT."""
    return LoggedIn(token=await _token(asked, body.username, body.password))


@_noun.post("/auth/token", status=200)
async def hub_auth_token(asked: Asking, body: AuthToken) -> Authorized:
    """Give a token, to be sent as Bearer."""
    return Authorized(access_token=await _token(asked, body.identifier, body.secret))


async def _token(asked: Asked, name: str, secret: str) -> str:
    actor = await asked.verbs.identity.basic(name, secret, asked.call.client)
    asked.call.actor = actor
    return (await asked.verbs.tokens.issue_for_api(actor)).token
