"""Tags as pages list them: by image, each under the first of its tags."""

from collections.abc import Sequence
from typing import Final

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.registry.errors import RepositoryUnknown
from entrepot.domain.registry.model import ListedTag, TagGroup, TagOrder
from entrepot.domain.registry.queries import repositories, tag_lists
from entrepot.domain.registry.versions import version_key
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_LOOKED_AT: Final = 60
_ROUNDS: Final = 8
_MOST_ALIASES: Final = 2_000
_BATCH: Final = 200


class TagLists:
    """The tags of all repositories, grouped by what they name."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._db = db
        self._rule = rule

    async def groups(
        self, actor: Actor, name: RepositoryName, order: TagOrder, after: str, text: str, most: int
    ) -> tuple[list[TagGroup], str]:
        """Return images by their tags, at most `most` behind the tag `after`, and the tag behind which there are more.

        An image stands where the first of its tags in this order does; with a text the first that has it.

        Raises:
            RepositoryUnknown, Unproven
        """
        await self._rule.require(actor, Action.PULL, name)
        repository = await self._db.read(repositories.pushed_repository_id, name.stored)
        if repository is None:
            raise RepositoryUnknown(repository=name.asked)
        groups: list[TagGroup] = []
        for _ in range(_ROUNDS):
            found = await self._db.read(tag_lists.in_order, repository, order, after, text, _LOOKED_AT)
            named = await self._named(found, order, text)
            for each in found:
                if len(groups) == most:
                    return groups, after
                after = each.name
                names = named.get(each.manifest, [each.name])
                if names[0] == each.name:
                    groups.append(TagGroup(each, names))
            if len(found) < _LOOKED_AT:
                return groups, ""
        return groups, after

    async def note_versions(self) -> int:
        """Note the versions of some tags that have none noted; return how many were looked at."""
        found = await self._db.read(tag_lists.unversioned, _BATCH)

        async def note(tx: Transaction) -> None:
            for repository, name in sorted(found):
                await tag_lists.set_version(tx, repository, name, version_key(name))

        if found:
            await self._db.write(note, durable=False)
        return len(found)

    async def _named(self, found: Sequence[ListedTag], order: TagOrder, text: str) -> dict[int, list[str]]:
        """Return all tags on the images of these, the first in this order first, and those with the text before the others."""
        rows = await self._db.read(tag_lists.aliases, [each.manifest for each in found], _MOST_ALIASES)
        if order is TagOrder.NAME:
            rows.sort(key=lambda row: row[1])
        else:
            rows.sort(key=lambda row: (row[2] if order is TagOrder.VERSION else row[3], row[1]), reverse=True)
        rows.sort(key=lambda row: text not in row[1])
        named: dict[int, list[str]] = {}
        for manifest, name, _, _ in rows:
            named.setdefault(manifest, []).append(name)
        return named
