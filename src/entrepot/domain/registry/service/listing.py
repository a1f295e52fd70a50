"""Repositories as they are listed, and made before anything is pushed to them."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from entrepot.domain.access.model import Action, Actor, Facts
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import RepositoryExists, RepositoryUnknown
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.queries import changes, listing, repositories
from entrepot.domain.registry.service.places import Places
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_LOOKED_AT: Final = 200


class Listing:
    """All repositories that are listed."""

    def __init__(self, db: Database, rule: Rule, places: Places) -> None:
        self._db = db
        self._places = places
        self._rule = rule

    async def one(self, actor: Actor, name: RepositoryName) -> Listed:
        """Return what is told of a repository. Raises RepositoryUnknown, Unproven."""
        await self._rule.require(actor, Action.PULL, name)
        return await self._one(name)

    async def of_names(self, names: Sequence[str]) -> list[Listed]:
        """Return what is told of repositories that the caller was found to see, in the order of their names."""
        return await self._db.read(listing.of_names, names)

    async def page(self, actor: Actor, namespace: str, last: str, limit: int) -> tuple[list[Listed], bool]:
        """Return the repositories of a namespace that the actor may see behind the name `last`, and whether there are more."""
        seen: list[Listed] = []
        is_more = True
        # Of what is hidden nothing is read for somebody who may see none of it: its number would show in how long that takes.
        read = partial(listing.in_namespace, public=not await self._rule.may_see_hidden(actor, namespace))
        while is_more and len(seen) <= limit:
            found = await self._db.read(read, namespace, last, _LOOKED_AT)
            seen += [each for each in found if await self._sees(actor, each)]
            is_more, last = len(found) == _LOOKED_AT, found[-1].name if found else last
            await asyncio.sleep(0)  # whoever sees few of very many keeps nobody else waiting
        return seen[:limit], len(seen) > limit

    async def count(self, most: int) -> int:
        """Return how many repositories there are, for those who administer the hub; no more than `most` are counted."""
        return await self._db.read(listing.count, most)

    async def add(self, actor: Actor, name: RepositoryName, *, public: bool) -> Listed:
        """Make a repository; whoever may make one by a push may do so.

        Raises:
            PlanRefused, PolicyRefused, Renamed, RepositoryExists, Unproven
        """
        await self._rule.require(actor, Action.PUSH, name)
        may_configure = await self._rule.may(actor, Action.CONFIGURE, name)

        async def make(tx: Transaction) -> None:
            if await repositories.pushed_repository_id(tx, name.stored) is not None:
                raise RepositoryExists(repository=name.asked)
            is_there = await repositories.repository_id(tx, name.stored) is not None
            id_ = await self._places.of(tx, name, actor, public=public)
            if not is_there or may_configure:  # whoever may only push does not make public what somebody made private
                await self._places.set_visibility(tx, name, id_, public=public)
            await repositories.mark_pushed(tx, id_)
            await changes.note(tx, id_)
            await record(tx, actor.author, done(Act.REPOSITORY_ADD, name.stored, {"public": public}))

        await self._db.write(make)
        return await self._one(name)

    async def _one(self, name: RepositoryName) -> Listed:
        found = await self._db.read(listing.one, name.stored)
        if found is None:
            raise RepositoryUnknown(repository=name.asked)
        return found

    async def _sees(self, actor: Actor, found: Listed) -> bool:
        facts = Facts(public=found.public)
        name = RepositoryName.parse(found.name)
        return self._rule.lets_anyone_pull(facts) or await self._rule.may(actor, Action.PULL, name, facts)
