"""Tags as pages list them: by image, each under the first of its tags."""

from typing import Final

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.registry.errors import RepositoryUnknown
from entrepot.domain.registry.model import TagGroup, TagOrder
from entrepot.domain.registry.queries import repositories, tag_lists
from entrepot.domain.registry.versions import version_key
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_MOST_ALIASES: Final = 30
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
        if order is TagOrder.VERSION and await self._db.read(tag_lists.has_unversioned, repository):
            order = TagOrder.NAME  # until a job has noted the versions of what a release before this one tagged
        found = await self._db.read(tag_lists.in_order, repository, order, after, text, most + 1)
        shown = found[:most]
        totals = await self._db.read(tag_lists.counts, [each.manifest for each in shown])
        groups = []
        for each in shown:
            names = [each.name]
            if totals.get(each.manifest, 1) > 1:
                others = await self._db.read(tag_lists.aliases, each.manifest, _MOST_ALIASES)
                names += [other for other in others if other != each.name]
            groups.append(TagGroup(each, names, max(totals.get(each.manifest, 1), len(names))))
        return groups, shown[-1].name if len(found) > most else ""

    async def note_versions(self) -> int:
        """Note the versions of some tags that have none noted; return how many were looked at."""
        found = await self._db.read(tag_lists.unversioned, _BATCH)

        async def note(tx: Transaction) -> None:
            for repository, name in sorted(found):
                await tag_lists.set_version(tx, repository, name, version_key(name))

        if found:
            await self._db.write(note, durable=False)
        return len(found)
