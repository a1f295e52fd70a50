"""The decision: one place asks whether an actor may do something, in each mode of access.

What somebody gets to hear who may not: whoever has not signed in, that they should; whoever has, the same, whether the
repository is hidden from them or absent; whoever may read it, that they are denied. So nobody learns what there is.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

from entrepot.domain.access.errors import PolicyRefused, Renamed, Unproven
from entrepot.domain.access.model import Action, Actor, Facts, Role, View, may, roles
from entrepot.domain.accounts.model import Scope
from entrepot.domain.accounts.service.organisations import Organisations
from entrepot.spec.oci.names import LIBRARY, RepositoryName

# What a bearer token of the registry's own is asked for.
_WIRE: Final = {Action.PULL: "pull", Action.PUSH: "pull,push", Action.DELETE: "delete"}
_OFFICIAL: Final = (
    "names of one segment are those of official images, which the hub's administrators publish: push to {actor}/{name} instead"
)
Lookup = Callable[[str], Awaitable[Facts | None]]
Still = Callable[[Actor], Awaitable[Actor]]


class Rule(Protocol):
    """Decides."""

    def lets_anyone_pull(self, facts: Facts) -> bool:
        """Tell whether nobody need say who they are to pull."""

    async def require(
        self, actor: Actor, action: Action, name: RepositoryName, facts: Facts | None = None, tags: Collection[str] = ()
    ) -> None:
        """Do nothing when the actor may do it; `facts` spares a look when they are known.

        Raises:
            Denied, PolicyRefused, Unproven
            Renamed: they may, and the repository is stored under another name, which is to be used.
        """

    async def may(self, actor: Actor, action: Action, name: RepositoryName, facts: Facts | None = None) -> bool:
        """Tell whether the actor may do it; `facts` spares a look when they are known."""

    async def may_see_hidden(self, actor: Actor, namespace: str) -> bool:
        """Tell whether anything that is not public may be seen in a namespace. Raises TokenRefused."""

    def mounts_unasked(self) -> bool:
        """Tell whether a blob may be linked wherever it lies: then whoever knows a digest has the bytes."""

    async def view(self, actor: Actor) -> View:
        """Return which repositories may be listed for the actor. Raises TokenRefused, Unproven."""

    async def reads(self, actor: Actor, namespace: str) -> Callable[[str], bool]:
        """Return what tells of stored names in a namespace whether the actor may pull what is not public. Raises TokenRefused."""


class OpenRule:
    """Of `--access open`: whoever reaches the registry may do everything that anybody may."""

    def __init__(self, lookup: Lookup | None = None) -> None:
        """Take what looks repositories up; without it names lead nowhere else, and nothing is archived."""
        self._lookup = lookup

    def lets_anyone_pull(self, facts: Facts) -> bool:  # noqa: ARG002 - what the protocol asks
        """Yes."""
        return True

    async def require(
        self,
        actor: Actor,  # noqa: ARG002
        action: Action,
        name: RepositoryName,
        facts: Facts | None = None,
        tags: Collection[str] = (),  # noqa: ARG002
    ) -> None:
        """Do nothing, unless it is archived or has another name. Raises PolicyRefused, Renamed."""
        if facts is None and self._lookup is not None and action is not Action.CREATE:
            real, facts = _now(name, await self._lookup(name.stored))
            _require_writable(action, name, facts)
            if real is not name:
                raise Renamed(real)

    async def may(
        self,
        actor: Actor,  # noqa: ARG002
        action: Action,  # noqa: ARG002
        name: RepositoryName,  # noqa: ARG002
        facts: Facts | None = None,  # noqa: ARG002
    ) -> bool:
        """Yes."""
        return True

    async def may_see_hidden(self, actor: Actor, namespace: str) -> bool:  # noqa: ARG002
        """Yes."""
        return True

    def mounts_unasked(self) -> bool:
        """Yes: everybody may read everything."""
        return True

    async def view(self, actor: Actor) -> View:  # noqa: ARG002
        """All."""
        return View(everything=True)

    async def reads(self, actor: Actor, namespace: str) -> Callable[[str], bool]:  # noqa: ARG002
        """All."""
        return lambda _name: True


class AccountsRule:
    """Of `--access accounts`."""

    def __init__(
        self, organisations: Organisations, still: Still, lookup: Lookup, *, anonymous: bool, founding: bool = True
    ) -> None:
        """Take what decisions lean on; `founding` says whether a push of an administrator's makes the organisation."""
        self._organisations = organisations
        self._still = still
        self._lookup = lookup
        self._anonymous = anonymous
        self._founding = founding

    def lets_anyone_pull(self, facts: Facts) -> bool:
        """Tell whether nobody need say who they are to pull."""
        return self._anonymous and facts.public

    def mounts_unasked(self) -> bool:
        """No: a digest is no permission."""
        return False

    async def require(
        self, actor: Actor, action: Action, name: RepositoryName, facts: Facts | None = None, tags: Collection[str] = ()
    ) -> None:
        """Do nothing when the actor may do it: what they may is decided by the name under which it is stored now.

        Raises:
            PolicyRefused, Renamed, TokenRefused, Unproven
        """
        real = name
        if facts is None and action is not Action.CREATE:
            real, facts = _now(name, await self._lookup(name.stored))
        if not self._is_open_to(actor, action, facts):
            if not await self._allowed(actor, action, real, facts, tags):
                if action is Action.PUSH and actor.is_somebody and name.namespace == LIBRARY:
                    official = name.stored.partition("/")[2]
                    raise PolicyRefused(reason=_OFFICIAL.format(name=official, actor=actor.owner or actor.name))
                raise _unproven(actor, action, name)
            _require_writable(action, name, facts)
        if real is not name:
            raise Renamed(real)

    async def may(self, actor: Actor, action: Action, name: RepositoryName, facts: Facts | None = None) -> bool:
        """Tell whether the actor may do it. Raises TokenRefused."""
        real = name
        if facts is None:
            real, facts = _now(name, await self._lookup(name.stored))
        if self._is_open_to(actor, action, facts):
            return True
        return await self._allowed(actor, action, real, facts, ())

    async def may_see_hidden(self, actor: Actor, namespace: str) -> bool:
        """Tell whether they are anything to the namespace, or to a repository in it. Raises TokenRefused."""
        if not actor.is_somebody:
            return False
        actor = await self._still(actor)
        standing = await self._organisations.standing(actor.account, namespace)
        return actor.is_admin or actor.owner == namespace or standing.place is not None or bool(standing.held)

    async def view(self, actor: Actor) -> View:
        """Return which repositories may be listed for the actor. Raises TokenRefused, Unproven."""
        if not actor.is_somebody:
            if not self._anonymous:
                raise Unproven(action="list", repository="the repositories", scope="registry:catalog:*")
            return View()
        actor = await self._still(actor)
        if actor.terms is not None and actor.terms.scope is Scope.PUBLIC_READ and not actor.terms.grants:
            return View()
        return View(everything=actor.is_admin and actor.terms is None, account=actor.account, owner=actor.owner)

    async def reads(self, actor: Actor, namespace: str) -> Callable[[str], bool]:
        """Return what tells of stored names in a namespace whether the actor may pull what is not public. Raises TokenRefused."""
        if not actor.is_somebody:
            return lambda _name: False
        actor = await self._still(actor)
        standing = await self._organisations.standing(actor.account, namespace)
        return lambda name: may(actor, Action.PULL, roles(actor, standing, name), name)

    def _is_open_to(self, actor: Actor, action: Action, facts: Facts | None) -> bool:
        """Tell whether it is a pull of what is public, by somebody who may do that without any role."""
        return action is Action.PULL and facts is not None and facts.public and (self._anonymous or actor.is_somebody)

    async def _allowed(
        self, actor: Actor, action: Action, name: RepositoryName, facts: Facts | None, tags: Collection[str]
    ) -> bool:
        if not actor.is_somebody or not granted(actor, action, name):
            return False
        actor = await self._still(actor)
        standing = await self._organisations.standing(actor.account, name.namespace)
        found = roles(actor, standing, name.stored)
        if not may(actor, action, found, name.stored, tags):
            return False
        # A push makes the repository, and an administrator's the organisation too.
        is_there = bool(standing.kind) or (self._founding and Role.ADMINISTRATOR in found)
        makes = facts is None and action is Action.PUSH
        return is_there and (not makes or may(actor, _making(actor, found), found, name.stored))


def granted(actor: Actor, action: Action, name: RepositoryName) -> bool:
    """Tell whether what the actor came with is for this: a token of the registry's names repositories and actions.

    One for a name that leads here is for what it leads to: what its holder may there is asked in any case.
    """
    if actor.granted is None or action.value in actor.granted.get(name.stored, ()):
        return True
    return action.value in actor.granted.get(RepositoryName.parse(name.asked).stored, ())


def _now(name: RepositoryName, looked_up: Facts | None) -> tuple[RepositoryName, Facts | None]:
    """Return the name under which something is stored, the same one if it has no other, and the facts if it is there."""
    if looked_up is None:
        return name, None
    is_former = looked_up.stored not in ("", name.stored)
    return RepositoryName(name.asked, looked_up.stored) if is_former else name, looked_up if looked_up.there else None


def _require_writable(action: Action, name: RepositoryName, facts: Facts | None) -> None:
    if facts is not None and facts.archived and action in (Action.PUSH, Action.DELETE):
        raise PolicyRefused(reason=f"{name.asked} is archived: it can be pulled, and nothing in it can be changed")


def _making(actor: Actor, found: Collection[Role]) -> Action:
    """Return what somebody must be allowed who makes a repository by a push: whoever was granted its name was granted that."""
    by_name = Role.WRITER in found or Role.MAINTAINER in found
    return Action.PUSH if by_name or actor.owner else Action.CREATE


def _unproven(actor: Actor, action: Action, name: RepositoryName) -> Unproven:
    scope = f"repository:{name.asked}:{_WIRE.get(action, 'pull')}"
    return Unproven(action=action.value, repository=name.asked, scope=scope, repeated=actor.is_somebody)
