"""Signing in: a short-lived token for a password, a token or a robot's secret."""

from typing import Annotated, Final

from pydantic import Field

from entrepot.domain.access.errors import PolicyRefused, Unproven
from entrepot.domain.access.service.identity import actor_of
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import Sent, Shown
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("sign in", PREFIX)


class Token(Shown):
    """A token of this interface, to be sent as Bearer, and for how many seconds it is taken."""

    token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme
    expires_in: int


class SignIn(Sent):
    """A name, a password, and where two-factor sign-in is on the code of the app or a recovery code."""

    name: Annotated[str, Field(max_length=1000)]
    password: Annotated[str, Field(max_length=1000)]
    code: Annotated[str, Field(max_length=100)] = ""


@_noun.post("/token", status=200)
async def create_token(asked: Asking, body: SignIn | None = None) -> Token:
    """Give a token to whoever signs in with Basic, with a secret as Bearer, or by the body, where a code may be."""
    if body is not None:
        client = asked.call.client
        asked.call.actor = actor_of(await asked.verbs.sessions.prove(body.name, body.password, body.code, client))
    elif not asked.actor.is_somebody:
        raise Unproven(action="use", repository="this interface", scope="")
    elif asked.by_token:
        # Else whoever found one would go on for ever.
        raise PolicyRefused(reason="sign in with a password or a secret for a new token: another one of these is not enough")
    issued = await asked.verbs.tokens.issue_for_api(asked.actor)
    return Token(token=issued.token, expires_in=issued.expires_in)
