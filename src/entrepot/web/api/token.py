"""Signing in: a short-lived token for a password, a token or a robot's secret."""

from typing import Final

from entrepot.domain.access.errors import PolicyRefused, Unproven
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import Shown
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("sign in", PREFIX)


class Token(Shown):
    """A token of this interface, to be sent as Bearer, and for how many seconds it is taken."""

    token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme
    expires_in: int


@_noun.post("/token", status=200)
async def create_token(asked: Asking) -> Token:
    """Give a token to whoever signs in with Basic, or with a secret as Bearer."""
    if not asked.actor.is_somebody:
        raise Unproven(action="use", repository="this interface", scope="")
    if asked.by_token:
        # Else whoever found one would go on for ever.
        raise PolicyRefused(reason="sign in with a password or a secret for a new token: another one of these is not enough")
    issued = await asked.verbs.tokens.issue_for_api(asked.actor)
    return Token(token=issued.token, expires_in=issued.expires_in)
