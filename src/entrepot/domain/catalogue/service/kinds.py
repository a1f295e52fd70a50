"""Kinds of images and their shelves: badges are granted by administrators, categories chosen by those who have the image."""

import re
from collections.abc import Sequence
from typing import Final

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.accounts.model import ORGANISATION
from entrepot.domain.audit.model import HUB, Act, Author, done
from entrepot.domain.audit.service.acting import Acting
from entrepot.domain.audit.service.recording import record
from entrepot.domain.catalogue.errors import (
    BadgeRefused,
    BadgeUnknown,
    CategoryInvalid,
    CategoryMissing,
    CategoryUnknown,
    TooManyCategories,
)
from entrepot.domain.catalogue.model import MOST_CATEGORIES, Badge, Category, Granted
from entrepot.domain.catalogue.queries import kinds
from entrepot.domain.registry.errors import NamespaceUnknown
from entrepot.domain.registry.service import within
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import LIBRARY, RepositoryName

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LONGEST_TITLE: Final = 60
_LONGEST_REASON: Final = 1000


class Kinds(Acting):
    """The badges of all namespaces, and the categories of all images."""

    def __init__(self, db: Database, rule: Rule, by: Author = HUB) -> None:
        super().__init__(by)
        self._db = db
        self._rule = rule

    async def grant(self, namespace: str, badge: Badge, checked: str) -> None:
        """Grant an organisation a badge; `checked` says what was checked before. Raises BadgeRefused, NamespaceUnknown."""
        if not checked.strip() or len(checked) > _LONGEST_REASON:
            raise BadgeRefused(namespace=namespace, reason=f"say what was checked, in at most {_LONGEST_REASON} characters")

        async def give(tx: Transaction) -> None:
            found = await kinds.lock_namespace(tx, namespace)
            if found is None:
                raise NamespaceUnknown(name=namespace)
            if found[1] != ORGANISATION or namespace == LIBRARY:
                raise BadgeRefused(namespace=namespace, reason="badges are for organisations")
            await kinds.grant(tx, found[0], badge, checked.strip(), self._by.name)
            await within.note_changes(tx, namespace)
            await record(tx, self._by, done(Act.BADGE_GRANT, namespace, {"badge": badge.value, "checked": checked.strip()}))

        await self._db.write(give)

    async def revoke(self, namespace: str, badge: Badge) -> None:
        """Take a badge away. Raises BadgeUnknown, NamespaceUnknown."""

        async def take(tx: Transaction) -> None:
            found = await kinds.lock_namespace(tx, namespace)
            if found is None:
                raise NamespaceUnknown(name=namespace)
            if not await kinds.revoke(tx, found[0], badge):
                raise BadgeUnknown(namespace=namespace, badge=badge.value)
            await within.note_changes(tx, namespace)
            await record(tx, self._by, done(Act.BADGE_REVOKE, namespace, {"badge": badge.value}))

        await self._db.write(take)

    async def granted(self, namespace: str = "") -> list[Granted]:
        """Return the badges of a namespace, or all."""
        return await self._db.read(kinds.granted, namespace)

    async def categories(self) -> list[Category]:
        """Return all categories, in their order."""
        return await self._db.read(kinds.categories)

    async def put_category(self, category: Category, rank: int) -> None:
        """Make a category, or change its titles and place. Raises CategoryInvalid."""
        titles = (category.english, category.french)
        if not _NAME.fullmatch(category.name) or not all(each and len(each) <= _LONGEST_TITLE for each in titles):
            raise CategoryInvalid(name=category.name)

        async def put(tx: Transaction) -> None:
            await kinds.put(tx, category, rank)
            await kinds.note_changes(tx, category.name)  # images are found by its title
            await record(tx, self._by, done(Act.CATEGORY_SET, "", {"category": category.name}))

        await self._db.write(put)

    async def drop_category(self, name: str) -> None:
        """Take a category away. Raises CategoryUnknown."""
        known = await self.categories()

        async def drop(tx: Transaction) -> None:
            await kinds.note_changes(tx, name)
            if not await kinds.drop(tx, name):
                raise CategoryMissing(**_unknown(name, known).facts)
            await record(tx, self._by, done(Act.CATEGORY_DELETE, "", {"category": name}))

        await self._db.write(drop)

    async def of(self, name: RepositoryName) -> tuple[str, ...]:
        """Return the categories of a repository; who may see it is decided above."""
        id_ = await self._db.read(within.repository_id, name)
        return () if id_ is None else (await self._db.read(kinds.categories_of, [id_])).get(id_, ())

    async def shelve(self, actor: Actor, name: RepositoryName, wanted: Sequence[str]) -> None:
        """Let an image be in these categories.

        Raises:
            CategoryUnknown, Renamed, RepositoryUnknown, TooManyCategories, Unproven
        """
        await self._rule.require(actor, Action.DESCRIBE, name)
        if len(set(wanted)) > MOST_CATEGORIES:
            raise TooManyCategories(most=MOST_CATEGORIES, count=len(set(wanted)))
        known = await self.categories()
        for each in wanted:
            if each not in {category.name for category in known}:
                raise _unknown(each, known)

        async def put(tx: Transaction) -> None:
            id_ = await within.locked_id(tx, name)
            await kinds.shelve(tx, id_, wanted)
            await within.note_change(tx, id_)

        await self._db.write(put)


def _unknown(name: str, known: Sequence[Category]) -> CategoryUnknown:
    return CategoryUnknown(category=name, known=", ".join(each.name for each in known) or "none")
