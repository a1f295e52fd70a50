"""Repositories themselves: who may see them, what they are called, what they say of themselves, and their end."""

from typing import Final

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Lookup, Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.plans.model import Plan, Usage
from entrepot.domain.registry.errors import NamespaceUnknown, RepositoryExists, RepositoryUnknown, TextTooLong
from entrepot.domain.registry.events import DeleteRepositories
from entrepot.domain.registry.model import About, Home, Located
from entrepot.domain.registry.queries import changes, names, pulls, repositories
from entrepot.domain.registry.service.places import Places
from entrepot.domain.registry.service.pulls import KEPT_US
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.jobs import enqueue
from entrepot.spec.oci.names import RepositoryName

LONGEST_DESCRIPTION: Final = 100  # characters, as on Docker Hub
LONGEST_README: Final = 25_000


def facts_in(db: Database) -> Lookup:
    """Return what looks up, of a repository's name of now or of before, what a decision about it leans on."""
    return lambda name: db.recall(names.facts, name)


class Repositories:
    """All repositories."""

    def __init__(self, db: Database, rule: Rule, places: Places) -> None:
        self._db = db
        self._rule = rule
        self._places = places

    async def find(self, actor: Actor, name: RepositoryName) -> About:
        """Return what is known of a repository. Raises Renamed, RepositoryUnknown, Unproven."""
        await self._rule.require(actor, Action.PULL, name)
        found = await self._db.read(repositories.about, name.stored)
        if found is None:
            raise RepositoryUnknown(repository=name.asked)
        return found

    async def is_public(self, actor: Actor, name: RepositoryName) -> bool:
        """Tell whether everybody sees a repository. Raises Renamed, RepositoryUnknown, Unproven."""
        return (await self.find(actor, name)).public

    async def usage(self, namespace: str, plan: Plan, seats: int) -> Usage:
        """Return what a namespace has of what its plan limits; who may see it is decided above."""
        public, private, size = await self._db.read(repositories.usage, namespace)
        return Usage(plan, private, public, size, seats, await self._db.read(pulls.count, namespace, KEPT_US))

    async def add(self, actor: Actor, name: RepositoryName, *, public: bool, description: str = "") -> None:
        """Make a repository; what its name led to before it leads to no more.

        Raises:
            NamespaceUnknown, PlanRefused, RepositoryExists, TextTooLong, Unproven
        """
        await self._rule.require(actor, Action.CREATE, name)
        _check("description", description, LONGEST_DESCRIPTION)

        async def make(tx: Transaction) -> None:
            home = await _home(tx, name)
            await _take(tx, home, name)
            if not public:
                await self._places.require_private(tx, home)
            made = await repositories.add(tx, home.id, name.stored, public=public)
            await repositories.describe(tx, made, description, None)
            await record(tx, actor.author, done(Act.REPOSITORY_ADD, name.stored, {"public": public}))

        await self._db.write(make)

    async def set_visibility(self, actor: Actor, name: RepositoryName, *, public: bool) -> None:
        """Let everybody see a repository, or only those who were granted it; one that is not there is made.

        Raises:
            PlanRefused, Renamed, Unproven
        """
        await self._rule.require(actor, Action.CONFIGURE, name)

        async def change(tx: Transaction) -> None:
            id_ = await self._places.of(tx, name, actor, public=public)
            await self._places.set_visibility(tx, name, id_, public=public)
            await record(tx, actor.author, done(Act.REPOSITORY_VISIBILITY, name.stored, {"public": public}))

        await self._db.write(change)

    async def describe(
        self, actor: Actor, name: RepositoryName, *, description: str | None = None, readme: str | None = None
    ) -> None:
        """Replace what a repository says of itself; None leaves it. Raises Renamed, RepositoryUnknown, TextTooLong, Unproven."""
        await self._rule.require(actor, Action.DESCRIBE, name)
        _check("description", description or "", LONGEST_DESCRIPTION)
        _check("README", readme or "", LONGEST_README)

        async def change(tx: Transaction) -> None:
            place = await _locked(tx, name)
            await repositories.describe(tx, place.id, description, readme)
            await changes.note(tx, place.id)

        await self._db.write(change)

    async def set_archived(self, actor: Actor, name: RepositoryName, *, archived: bool) -> None:
        """Let a repository only be read, or written again. Raises Renamed, RepositoryUnknown, Unproven."""
        await self._rule.require(actor, Action.CONFIGURE, name)

        async def change(tx: Transaction) -> None:
            place = await _locked(tx, name)
            await repositories.set_archived(tx, place.id, archived=archived)
            await changes.note(tx, place.id)
            await record(tx, actor.author, done(Act.REPOSITORY_ARCHIVE, name.stored, {"archived": archived}))

        await self._db.write(change)

    async def rename(self, actor: Actor, name: RepositoryName, new: RepositoryName) -> None:
        """Give a repository another name, in its namespace or in another one; the former name leads to it.

        Nothing that is in it moves: blobs belong to it by links.

        Raises:
            NamespaceUnknown, PlanRefused, Renamed, RepositoryExists, RepositoryUnknown, Unproven
        """
        if name.namespace == new.namespace:
            await self._rule.require(actor, Action.CONFIGURE, name)
        else:
            await self._rule.require(actor, Action.REMOVE, name)
            # Who was granted one repository does not take its name out of the namespace: it would lead elsewhere from now on.
            await self._rule.require(actor, Action.CREATE, name)
        await self._rule.require(actor, Action.CREATE, new)

        async def change(tx: Transaction) -> None:
            # In one order, so that two that go opposite ways do not wait for one another.
            homes = {each: await names.lock_home(tx, each) for each in sorted({name.namespace, new.namespace})}
            place, home = await _locked(tx, name), homes[new.namespace]
            if home is None or home.ownerless:
                raise NamespaceUnknown(name=new.namespace)
            await _take(tx, home, new)
            if home.id != place.namespace and not place.public:
                await self._places.require_private(tx, home)
            await repositories.call(tx, place.id, home.id, new.stored)
            await names.alias(tx, place.namespace, _path(name), place.id)
            await changes.note(tx, place.id)
            await record(tx, actor.author, done(Act.REPOSITORY_RENAME, name.stored, {"new": new.stored}))

        await self._db.write(change)

    async def delete(self, actor: Actor, name: RepositoryName) -> None:
        """Delete a repository with all that is in it: nobody finds it any more, and a job takes its rows away.

        Raises:
            Renamed, RepositoryUnknown, Unproven
        """
        await self._rule.require(actor, Action.REMOVE, name)

        async def remove(tx: Transaction) -> None:
            await names.lock_home(tx, name.namespace)
            place = await _locked(tx, name)
            await names.end_aliases(tx, place.id)
            await repositories.bury(tx, place.id)
            await changes.note(tx, place.id)
            await record(tx, actor.author, done(Act.REPOSITORY_DELETE, name.stored))
            await enqueue(tx, DeleteRepositories(), key=DeleteRepositories.kind, again=True)

        await self._db.write(remove)


async def _take(tx: Transaction, home: Home, name: RepositoryName) -> None:
    """Let a name lead nowhere in a locked namespace, where nobody else gives it to anything. Raises RepositoryExists."""
    if await repositories.repository_id(tx, name.stored) is not None:
        raise RepositoryExists(repository=name.asked)
    await names.end_alias(tx, home.id, _path(name))


async def _home(tx: Transaction, name: RepositoryName) -> Home:
    home = await names.lock_home(tx, name.namespace)
    if home is None or home.ownerless:
        raise NamespaceUnknown(name=name.namespace)
    return home


async def _locked(tx: Transaction, name: RepositoryName) -> Located:
    found = await repositories.lock(tx, name.stored)
    if found is None:
        raise RepositoryUnknown(repository=name.asked)
    return found


def _path(name: RepositoryName) -> str:
    return name.stored.partition("/")[2]


def _check(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise TextTooLong(what=what, length=len(text), most=most)
