"""Repositories themselves: who may see them."""

from functools import partial

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Lookup, Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import RepositoryUnknown
from entrepot.domain.registry.queries import repositories
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName


def facts_in(db: Database) -> Lookup:
    """Return what looks up, of a repository's stored name, what a decision about it leans on."""
    return lambda name: db.read(repositories.facts, name)


class Repositories:
    """All repositories."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._db = db
        self._rule = rule

    async def set_visibility(self, actor: Actor, name: RepositoryName, *, public: bool) -> None:
        """Let everybody see a repository, or only those who were granted it; one that is not there is made.

        Raises:
            Unproven
        """
        await self._rule.require(actor, Action.CONFIGURE, name)

        async def change(tx: Transaction) -> None:
            await repositories.set_visibility(tx, await repositories.repository_for_push(tx, name, actor), public=public)
            await record(tx, actor.author, done(Act.REPOSITORY_VISIBILITY, name.stored, {"public": public}))

        await self._db.write(change)

    async def is_public(self, actor: Actor, name: RepositoryName) -> bool:
        """Tell whether everybody sees a repository. Raises RepositoryUnknown, Unproven."""
        facts = await self._db.read(partial(repositories.facts, name=name.stored))
        await self._rule.require(actor, Action.PULL, name, facts)
        if facts is None:
            raise RepositoryUnknown(repository=name.asked)
        return facts.public
