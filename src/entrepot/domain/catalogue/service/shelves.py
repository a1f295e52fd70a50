"""Shelves: what is shown of images that the reader was found to see, beside what the registry knows of them."""

from collections.abc import Sequence

from entrepot.domain.catalogue.model import Image, Shelved, Variant
from entrepot.domain.catalogue.queries import images
from entrepot.domain.catalogue.service.reading import Place, shelved
from entrepot.domain.registry.model import Listed
from entrepot.domain.registry.service import within
from entrepot.platform.db.database import Database


class Shelves:
    """What the catalogue knows, for lists and pages."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, listed: Sequence[Listed]) -> list[tuple[Listed, Shelved]]:
        """Return repositories with their kind, their stars and their categories, in the same order."""
        found = await self._db.read(shelved, [Place(each.id, each.namespace, each.name) for each in listed])
        return [(each, found[each.id]) for each in listed]

    async def of_ids(self, ids: Sequence[int]) -> list[tuple[Listed, Shelved]]:
        """Return those of these repositories that are listed, in the order of the ids."""
        found = await self._db.read(within.listed, ids)
        return await self.of([found[each] for each in ids if each in found])

    async def variants(self, manifests: Sequence[int]) -> dict[int, list[Variant]]:
        """Return what manifests hold for each platform, as far as it was looked into."""
        return await self._db.read(images.variants, manifests)

    async def platforms(self, repository: int, digests: Sequence[str]) -> dict[str, str]:
        """Return for which platforms images of a repository are, whose digests are given."""
        return await self._db.read(images.platforms, repository, digests)

    async def image(self, manifest: int) -> Image | None:
        """Return what was read of an image."""
        return await self._db.read(images.one, manifest)

    async def shown(self, repository: int) -> tuple[int, str] | None:
        """Return the manifest and the name of the tag that stands for a repository."""
        return await self._db.read(images.shown, repository)
