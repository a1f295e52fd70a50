"""What is asked before a use case that is no pull or push: like the rule, and it tells those who may know what was refused.

Whoever may not know that something is there hears what they would hear if it were not. Whoever may know of it is told that they
may not do this. Whoever has not signed in is told to, unless they only wanted to see something.
"""

from collections.abc import Collection

from entrepot.domain.access.errors import Denied, Hidden, Unproven
from entrepot.domain.access.model import Action, Actor, may, roles
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.accounts.model import InNamespace
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.spec.oci.names import RepositoryName


class Permits:
    """Decides, for an actor as they are at this moment."""

    def __init__(self, organisations: Organisations, rule: Rule) -> None:
        self._organisations = organisations
        self._rule = rule

    async def in_repository(self, actor: Actor, action: Action, name: RepositoryName, tags: Collection[str] = ()) -> None:
        """Do nothing when the actor may do it to the repository, whether it is there or not, and to these tags of it.

        Raises:
            Denied, Hidden, PolicyRefused, TokenRefused, Unproven
        """
        try:
            await self._rule.require(actor, action, name, tags=tags)
        except Unproven:
            if action is not Action.PULL:
                if not actor.is_somebody:
                    raise
                if await self._rule.may(actor, Action.PULL, name):
                    raise Denied(actor=actor.name, action=action.value, repository=name.asked) from None
            raise Hidden("repository", name.asked) from None

    async def in_namespace(self, actor: Actor, action: Action, namespace: str, what: str = "organisation") -> None:
        """Do nothing when the actor may do it to a user or an organisation, which `what` calls by its kind.

        Raises:
            Denied, Hidden, Unproven
        """
        if not actor.is_somebody:
            raise Unproven(action=action.value, repository=namespace, scope="")
        standing = await self._organisations.standing(actor.account, namespace)
        found = roles(actor, standing, f"{namespace}/")
        if may(actor, action, found):
            return
        # What a token belongs to is told to whoever has it.
        if namespace in (actor.name, actor.owner) or may(actor, Action.SEE_MEMBERS, found):
            raise Denied(actor=actor.name, action=action.value, repository=namespace)
        raise Hidden(what, namespace)

    async def on_hub(self, actor: Actor) -> None:
        """Do nothing when the actor administers the hub. Raises Denied, Unproven."""
        if not actor.is_somebody:
            raise Unproven(action=Action.ADMINISTER.value, repository="", scope="")
        if not may(actor, Action.ADMINISTER, roles(actor, InNamespace(""), "/")):
            raise Denied(actor=actor.name, action=Action.ADMINISTER.value, repository="this registry")
