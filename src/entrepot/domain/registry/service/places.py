"""Where a push goes: the repository of its name, which is made, with its namespace, when it is not there."""

from entrepot.domain.access.errors import PolicyRefused, Renamed
from entrepot.domain.access.model import Actor
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.plans.service import Plans
from entrepot.domain.registry.model import Home
from entrepot.domain.registry.queries import changes, names, repositories
from entrepot.platform.db.database import Transaction
from entrepot.spec.oci.names import RepositoryName


class Places:
    """Finds and makes repositories, in the transactions of others."""

    def __init__(self, plans: Plans | None = None) -> None:
        """Take what namespaces are held to, if they are."""
        self._plans = plans

    async def of(self, tx: Transaction, name: RepositoryName, actor: Actor, *, public: bool | None = None) -> int:
        """Return the repository's id, which keeps its name until the transaction ends; whoever makes an organisation owns it.

        One that is made is `public`, or what its namespace says.

        Raises:
            PlanRefused: it would be private, and the namespace's plan allows no more.
            PolicyRefused: the name is held for somebody who was deleted.
            Renamed: it leads to another repository since whoever asked was told that they may push.
        """
        found = await repositories.lock_id(tx, name.stored)
        while found is None:
            home = await _home(tx, name, actor)
            if home is None:
                continue
            if home.ownerless:
                raise PolicyRefused(reason=_held(home.name))
            # Asked when nobody else names anything in there any more.
            await _require_here(tx, name)
            is_public = home.public if public is None else public
            if not is_public:
                await self.require_private(tx, home)
            found = await repositories.add(tx, home.id, name.stored, public=is_public)
        return found

    async def set_visibility(self, tx: Transaction, name: RepositoryName, repository: int, *, public: bool) -> None:
        """Let everybody see a repository, or not. Raises PlanRefused."""
        home = await names.lock_home(tx, name.namespace)
        if home is not None and not public and await repositories.is_public(tx, repository):
            await self.require_private(tx, home)
        await repositories.set_visibility(tx, repository, public=public)
        await changes.note(tx, repository)

    async def require_private(self, tx: Transaction, home: Home) -> None:
        """Do nothing when a locked namespace may have one more private repository. Raises PlanRefused."""
        if self._plans is not None:
            await self._plans.require_private(tx, (home.id, home.name), await repositories.count_private(tx, home.id))


async def _home(tx: Transaction, name: RepositoryName, actor: Actor) -> Home | None:
    """Return the namespace, locked, after making it if it is not there; None when it was renamed in the same moment."""
    home = await names.lock_home(tx, name.namespace)
    if home is not None:
        return home
    await _require_here(tx, name)
    if await repositories.add_namespace(tx, name.namespace, actor.account) and actor.is_somebody:
        await record(tx, actor.author, done(Act.ORGANISATION_ADD, name.namespace, {"owner": actor.name, "by": "push"}))
    await _require_here(tx, name)  # what was held while it was made is seen now, and then it was not made
    return await names.lock_home(tx, name.namespace)


async def _require_here(tx: Transaction, name: RepositoryName) -> None:
    facts = await names.facts(tx, name.stored)
    if facts is not None and facts.stored != name.stored:
        raise Renamed(RepositoryName(name.asked, facts.stored))


def _held(name: str) -> str:
    return (
        f"the name {name} is held, because whoever had it was deleted: nothing new is made there, until an administrator "
        f"releases it (entrepot name release {name})"
    )
