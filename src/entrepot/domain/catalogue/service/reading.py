"""What the catalogue knows of repositories that the reader was found to see."""

from collections.abc import Mapping, Sequence

import msgspec

from entrepot.domain.catalogue.model import Image, Shelved, Variant, kind_of
from entrepot.domain.catalogue.queries import images, kinds, stars
from entrepot.platform.db.database import Reader


class Place(msgspec.Struct, frozen=True):
    """A repository: its id, its namespace's, and its stored name."""

    id: int
    namespace: int
    name: str


async def shelved(db: Reader, places: Sequence[Place]) -> dict[int, Shelved]:
    """Return of what kind repositories are, how many stars they have and on which shelves they are, by id."""
    ids = [each.id for each in places]
    badges = await kinds.badges(db, sorted({each.namespace for each in places}))
    totals, categories = await stars.totals(db, ids), await kinds.categories_of(db, ids)
    return {
        each.id: Shelved(
            kind_of(each.name.partition("/")[0], badges.get(each.namespace, ())),
            totals.get(each.id, 0),
            categories.get(each.id, ()),
        )
        for each in places
    }


async def titles(db: Reader) -> dict[str, str]:
    """Return what each category is called, in all languages: people look for images by these words too."""
    return {each.name: f"{each.english} {each.french}" for each in await kinds.categories(db)}


async def inside(db: Reader, manifests: Mapping[int, int]) -> dict[int, tuple[list[Variant], Image | None]]:
    """Return for each repository what the manifest that stands for it holds: for which platforms, and what it says of itself."""
    held = await images.variants(db, list(manifests.values()))
    return {repository: (held.get(manifest, []), await images.one(db, manifest)) for repository, manifest in manifests.items()}
