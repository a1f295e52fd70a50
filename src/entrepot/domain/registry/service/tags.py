"""Tags and the catalogue of repositories: listing, moving and deleting, and the record of every move."""

import asyncio
from typing import Final

from entrepot.domain.access.model import Action, Actor
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.audit.model import Act, done
from entrepot.domain.audit.service.recording import record
from entrepot.domain.registry.errors import ManifestUnknown, RepositoryUnknown
from entrepot.domain.registry.model import Page, TagDetail, TagMove
from entrepot.domain.registry.queries import changes, repositories, tags
from entrepot.domain.registry.versions import version_key
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.names import RepositoryName

_LOOKED_AT: Final = 500


async def move_tag(tx: Transaction, repository: int, tag: str, manifest: tuple[int, str], actor: Actor) -> bool:
    """Let `tag` point at the manifest (its id and digest), and record it when that is a move; tell whether it was one."""
    id_, digest = manifest
    while True:
        if await tags.add_tag(tx, repository, tag, id_, version_key(tag)):
            before = None
            break
        before = await tags.lock_tag(tx, repository, tag)
        if before is not None:
            await tags.point(tx, repository, tag, id_)
            break
        # It was there, and was deleted between the two statements.
    if before == digest:
        return False
    await tags.record_move(tx, repository, tag, from_digest=before, to_digest=digest, actor=actor.name)
    return True


class Tags:
    """The tags of all repositories, and the repositories themselves."""

    def __init__(self, db: Database, rule: Rule) -> None:
        self._db = db
        self._rule = rule

    async def page(self, actor: Actor, name: RepositoryName, last: str, limit: int) -> Page:
        """Return at most `limit` tags behind `last`, in byte order.

        Raises:
            Unproven, RepositoryUnknown
        """
        await self._rule.require(actor, Action.PULL, name)
        return await self._db.read(tags.names_after, await self._pushed(name), last, limit)

    async def detail(self, actor: Actor, name: RepositoryName, tag: str) -> TagDetail:
        """Return one tag and what it points at.

        Raises:
            Unproven, ManifestUnknown, RepositoryUnknown
        """
        await self._rule.require(actor, Action.PULL, name)
        found = await self._db.read(tags.detail, await self._pushed(name), tag)
        if found is None:
            raise ManifestUnknown(repository=name.asked, reference=tag)
        return found

    async def details(self, actor: Actor, name: RepositoryName, last: str, limit: int) -> list[TagDetail]:
        """Return at most `limit` tags behind `last` and what they point at, in byte order.

        Raises:
            Unproven, RepositoryUnknown
        """
        await self._rule.require(actor, Action.PULL, name)
        return await self._db.read(tags.details_after, await self._pushed(name), last, limit)

    async def history(self, actor: Actor, name: RepositoryName, tag: str, limit: int) -> list[TagMove]:
        """Return the last moves of a tag, newest first; none when there was never such a tag.

        Raises:
            Unproven, RepositoryUnknown
        """
        await self._rule.require(actor, Action.PULL, name)
        return await self._db.read(tags.moves, await self._pushed(name), tag, limit)

    async def delete(self, actor: Actor, name: RepositoryName, tag: str) -> None:
        """Delete one tag; its manifest and the other tags on it stay.

        Raises:
            Unproven, ManifestUnknown, RepositoryUnknown
        """
        await self._rule.require(actor, Action.DELETE, name, tags=[tag])
        repository = await self._pushed(name)

        async def remove(tx: Transaction) -> None:
            digest = await tags.lock_tag(tx, repository, tag)
            if digest is None:
                raise ManifestUnknown(repository=name.asked, reference=tag)
            await tags.delete_tag(tx, repository, tag)
            await tags.record_move(tx, repository, tag, from_digest=digest, to_digest=None, actor=actor.name)
            await changes.note(tx, repository)
            await record(tx, actor.author, done(Act.TAG_DELETE, f"{name.stored}:{tag}", {"digest": digest}))

        await self._db.write(remove)

    async def catalogue(self, actor: Actor, last: str, limit: int) -> Page:
        """Return at most `limit` names of repositories behind `last`, in byte order.

        Raises:
            TokenRefused, Unproven
        """
        view = await self._rule.view(actor)
        if view.everything:
            return await self._db.read(repositories.names_after, last, limit)
        names: list[str] = []
        is_more = True
        while is_more and len(names) <= limit:
            found = await self._db.read(repositories.names_seen, view, last, _LOOKED_AT)
            for stored, is_public in found:
                if is_public or await self._rule.may(actor, Action.PULL, RepositoryName.parse(stored)):
                    names.append(stored)
            is_more, last = len(found) == _LOOKED_AT, found[-1][0] if found else last
            await asyncio.sleep(0)  # whoever sees few of very many keeps nobody else waiting
        return Page(names[:limit], more=len(names) > limit)

    async def _pushed(self, name: RepositoryName) -> int:
        found = await self._db.read(repositories.pushed_repository_id, name.stored)
        if found is None:
            raise RepositoryUnknown(repository=name.asked)
        return found
