"""What is granted to single users in the namespace of a user or an organisation."""

from typing import Final

from entrepot.domain.access.model import Action
from entrepot.domain.accounts.model import Grant, Held
from entrepot.web.api.asking import Asking
from entrepot.web.api.models import Page, Segment, Shown
from entrepot.web.api.routing import PREFIX, Noun
from entrepot.web.api.teams import NewRole

_noun: Final = Noun("grants", f"{PREFIX}/namespaces/{{namespace}}/grants")
_WHAT = "namespace"


class UserGrant(Shown):
    """What a user may do with the repositories of a pattern."""

    user: str
    pattern: str
    role: Grant


@_noun.get("")
async def list_grants(asked: Asking, namespace: Segment) -> Page[UserGrant]:
    """List what is granted to single users. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, _WHAT)
    found = await asked.verbs.organisations.granted_to_accounts(namespace)
    return Page(items=[UserGrant(user=name, pattern=held.pattern, role=held.role) for name, held in found])


@_noun.put("/{user}/{pattern}")
async def grant_to_user(asked: Asking, namespace: Segment, user: Segment, pattern: Segment, body: NewRole) -> None:
    """Let a user read, write or administer the repositories of a pattern; a slash in it is written %2F. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, _WHAT)
    await asked.verbs.organisations.grant_to_account(namespace, user, Held(pattern, body.role))


@_noun.delete("/{user}/{pattern}")
async def withdraw_from_user(asked: Asking, namespace: Segment, user: Segment, pattern: Segment) -> None:
    """Withdraw what a user was granted for a pattern. For editors."""
    await asked.verbs.permits.in_namespace(asked.actor, Action.GRANT, namespace, _WHAT)
    await asked.verbs.organisations.withdraw_from_account(namespace, user, pattern)
