"""The names of namespaces: what they are called, and what is held for whoever was called so before.

Whether somebody may ask for one of these is decided above, as for all that is done to a user or an organisation.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from entrepot.domain.accounts.model import ORGANISATION
from entrepot.domain.audit.model import HUB, Act, Author, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import (
    NameNotHeld,
    NamespaceNotEmpty,
    NamespaceTaken,
    NamespaceUnknown,
    NameTooLong,
    RepositoryUnknown,
    TooManyHeld,
)
from entrepot.domain.registry.model import Former, Home
from entrepot.domain.registry.queries import changes, names, pulls
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import LIBRARY, MAX_NAME_LENGTH, RepositoryName, parse_namespace

MOST_HELD: Final = 20  # former names of one namespace: nobody takes every name that there is


class Names(Acting):
    """All names that are held, and the changes of those in use."""

    def __init__(self, db: Database, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db

    async def rename(self, old: str, new: str, kind: str) -> int:
        """Give a user's or an organisation's namespace another name; return how many repositories are called otherwise now.

        The former name leads there, for pulls and pushes, and is held: nobody else is given it.

        Raises:
            NamespaceUnknown: there is no namespace of that kind, or its user was deleted.
            TooManyHeld: as many former names are held for it as may be.
            NameTooLong: a repository's name would be longer than names may be.
            NamespaceTaken, NamespaceInvalid, NameReserved
        """
        if parse_namespace(new) == LIBRARY:
            raise NamespaceTaken(name=new)

        async def change(tx: Transaction) -> int:
            home = await names.lock_home(tx, old, alone=True)
            if home is None or home.kind != kind or home.ownerless or old == LIBRARY:
                raise NamespaceUnknown(name=old)
            if await names.count_held(tx, home.id) >= MOST_HELD:
                raise TooManyHeld(name=old, most=MOST_HELD)
            if await names.longest_in(tx, old) + len(new) - len(old) > MAX_NAME_LENGTH:
                raise NameTooLong(name=new, most=MAX_NAME_LENGTH)
            await _take(tx, home, new)
            await names.hold(tx, old, home.id)
            await pulls.call_owner(tx, old, new)
            await record(tx, self._by, done(Act.NAMESPACE_RENAME, old, {"new": new}))
            await changes.note_in(tx, old)
            return await names.call_repositories(tx, old, new)

        return await self._db.write(change)

    async def delete_organisation(self, name: str) -> None:
        """Delete an organisation in which there are no repositories, with its teams, robots and tokens; its name is held.

        Raises:
            NamespaceNotEmpty, NamespaceUnknown
        """

        async def remove(tx: Transaction) -> None:
            home = await names.lock_home(tx, name, alone=True)
            if home is None or home.kind != ORGANISATION or name == LIBRARY:
                raise NamespaceUnknown(name=name)
            if not await names.is_empty(tx, name):
                raise NamespaceNotEmpty(name=name)
            await names.delete_organisation(tx, home.id)
            await record(tx, self._by, done(Act.ORGANISATION_DELETE, name))

        await self._db.write(remove)

    async def held_by(self, name: str) -> Sequence[str]:
        """Return the former names that are held for the namespace of that name."""
        return await self._db.read(names.held_by, name)

    async def leads_to(self, name: str) -> str:
        """Return what a namespace is called now that had this name before; '' where it is no former name."""
        return await self._db.read(names.leads_to, name)

    async def held(self, last: str, limit: int) -> Sequence[Former]:
        """Return the names of namespaces that are held, behind `last`, in byte order, at most `limit`."""
        return await self._db.read(names.former_namespaces, last, limit)

    async def held_in(self, namespace: str, last: str, limit: int) -> Sequence[Former]:
        """Return the former names of repositories in a namespace, behind the path `last`. Raises NamespaceUnknown."""
        found = await self._db.read(partial(names.former_repositories, namespace_=namespace, last=last, limit=limit))
        if found is None:
            raise NamespaceUnknown(name=namespace)
        return found

    async def release(self, name: str) -> None:
        """Let a former name lead nowhere, and let others have it: of a namespace, or of a repository.

        Of whoever was deleted the name is released when they have no repositories any more.

        Raises:
            NameNotHeld, NamespaceUnknown
        """

        async def free(tx: Transaction) -> None:
            await (_release_repository if "/" in name else _release_namespace)(tx, name)
            await pulls.forget_owner(tx, name)  # whoever has it next is not told what was pulled in it before
            await record(tx, self._by, done(Act.NAME_RELEASE, name))

        await self._db.write(free)


async def _take(tx: Transaction, home: Home, name: str) -> None:
    """Give a namespace a name that nobody has, or that is held for it. Raises NamespaceTaken."""
    # Whoever makes a namespace of that name in the same moment waits here for us, or we for them.
    if not await names.claim(tx, name):
        raise NamespaceTaken(name=name)
    holder = await names.holder(tx, name)
    if holder is not None:
        if holder != home.id:
            raise NamespaceTaken(name=name)
        await names.unhold(tx, name)
    await names.drop_claim(tx, name)
    await names.call_namespace(tx, home.id, name)


async def _release_namespace(tx: Transaction, name: str) -> None:
    if await names.unhold(tx, name):
        return
    home = await names.lock_home(tx, name, alone=True)
    if home is None:
        raise NameNotHeld(name=name, reason="anybody can have it")
    if not home.ownerless:
        raise NameNotHeld(name=name, reason=f"it is in use by a {home.kind}")
    if not await names.is_empty(tx, name):
        raise NameNotHeld(name=name, reason="there are repositories in it: transfer or delete them first")
    await names.free(tx, home.id)


async def _release_repository(tx: Transaction, name: str) -> None:
    stored = RepositoryName.parse(name)
    home = await names.lock_home(tx, stored.namespace)
    if home is None:
        raise NamespaceUnknown(name=stored.namespace)
    if not await names.end_alias(tx, home.id, stored.stored.partition("/")[2]):
        if await names.facts(tx, stored.stored) is None:
            raise RepositoryUnknown(repository=name)
        raise NameNotHeld(name=name, reason="it is the name of a repository")
