"""Repositories themselves: who may see them."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from entrepot.domain.access.model import Action, Actor, Facts
from entrepot.domain.access.service.rule import Lookup, Rule
from entrepot.domain.registry.errors import RepositoryExists, RepositoryUnknown
from entrepot.domain.registry.model import Described
from entrepot.domain.registry.queries import repositories
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_LOOKED_AT: Final = 200


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

        await self._db.write(change)

    async def make(self, actor: Actor, name: RepositoryName, *, public: bool) -> Described:
        """Make a repository before anything is pushed to it.

        Raises:
            PolicyRefused, RepositoryExists, Unproven
        """
        await self._rule.require(actor, Action.PUSH, name)

        async def change(tx: Transaction) -> None:
            if await repositories.pushed_repository_id(tx, name.stored) is not None:
                raise RepositoryExists(repository=name.asked)
            id_ = await repositories.repository_for_push(tx, name, actor)
            await repositories.set_visibility(tx, id_, public=public)
            await repositories.mark_pushed(tx, id_)

        await self._db.write(change)
        return await self.describe(actor, name)

    async def describe(self, actor: Actor, name: RepositoryName) -> Described:
        """Return what is told of a repository. Raises RepositoryUnknown, Unproven."""
        await self._rule.require(actor, Action.PULL, name)
        found = await self._db.read(repositories.described, name.stored)
        if found is None:
            raise RepositoryUnknown(repository=name.asked)
        return found

    async def describe_all(self, names: Sequence[str]) -> list[Described]:
        """Return what is told of repositories that the caller was found to see, in the order of their names."""
        return await self._db.read(repositories.described_all, names)

    async def page(self, actor: Actor, namespace: str, last: str, limit: int) -> tuple[list[Described], bool]:
        """Return the repositories of a namespace that the actor may see behind the name `last`, and whether there are more."""
        seen: list[Described] = []
        is_more = True
        while is_more and len(seen) <= limit:
            found = await self._db.read(repositories.described_in, namespace, last, _LOOKED_AT)
            seen += [each for each in found if await self._sees(actor, each)]
            is_more, last = len(found) == _LOOKED_AT, found[-1].name if found else last
        return seen[:limit], len(seen) > limit

    async def _sees(self, actor: Actor, found: Described) -> bool:
        facts = Facts(public=found.public)
        return self._rule.lets_anyone_pull(facts) or await self._rule.may(actor, Action.PULL, RepositoryName.parse(found.name))

    async def is_public(self, actor: Actor, name: RepositoryName) -> bool:
        """Tell whether everybody sees a repository. Raises RepositoryUnknown, Unproven."""
        facts = await self._db.read(partial(repositories.facts, name=name.stored))
        await self._rule.require(actor, Action.PULL, name, facts)
        if facts is None:
            raise RepositoryUnknown(repository=name.asked)
        return facts.public
