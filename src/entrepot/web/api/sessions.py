"""Where users are signed in with a browser. Ending what is left open goes on while the registry is read-only."""

from datetime import datetime
from typing import Final, Self

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Account
from entrepot.domain.accounts.model import Session as Found
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.models import Page, Segment, Shown, instant
from entrepot.web.api.routing import PREFIX, Noun

_noun: Final = Noun("sessions", f"{PREFIX}/users/{{user}}/sessions")


class Session(Shown):
    """A browser that somebody is signed in with."""

    id: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, found: Found) -> Self:
        """Return what is shown of it."""
        return cls(
            id=found.id,
            address=found.address,
            agent=found.agent,
            created_at=instant(found.created_at),
            seen_at=instant(found.seen_at),
            ends_at=instant(found.ends_at),
        )


@_noun.get("")
async def list_sessions(asked: Asking, user: Segment) -> Page[Session]:
    """List a user's sessions, newest first. For themselves and for administrators."""
    found = await asked.verbs.sessions.of_account(await _account(asked, user))
    return Page(items=[Session.of(each) for each in found])


@_noun.delete("")
async def end_sessions(asked: Asking, user: Segment) -> None:
    """End all that a user is signed in with, tokens of this interface too; personal tokens stay."""
    await asked.verbs.sessions.sign_out_everywhere(await _account(asked, user))


@_noun.delete("/{session}")
async def end_session(asked: Asking, user: Segment, session: Segment) -> None:
    """End a session."""
    await asked.verbs.sessions.end(await _account(asked, user), session)


async def _account(asked: Asked, user: str) -> Account:
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, user, "user")
    return await asked.verbs.users.find(user)
