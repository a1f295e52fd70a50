"""Search in the test's own process: an index that is kept up to date when the test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from entrepot.app.parts import Parts
from entrepot.app.search import following, index_folder, searching
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.search.model import Hits
from entrepot.domain.search.service.following import Following
from entrepot.platform.search.writing import Writing
from entrepot.spec.oci.manifest import Manifest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import push_blob


class Finder:
    """The one who writes the index of a data folder, and searches in it."""

    def __init__(self, place: Settings, whole: Parts, writing: Writing) -> None:
        self.place = place
        self.whole = whole
        self.writing = writing
        self.following: Following = following(place, whole)

    async def follow(self) -> None:
        """Take all that is new into the index; also what was counted."""
        self.following._counted_at = 0
        before = None
        while before != self.writing.place() or before is None:
            before = self.writing.place()
            await self.following.step(self.writing)

    async def find(self, typed: str, actor: Actor = ANYONE, **more: Any) -> Hits:
        """Search as a process that opens the index now."""
        return await searching(self.place, self.whole).find(actor, typed, **more)

    async def names(self, typed: str, actor: Actor = ANYONE, **more: Any) -> list[str]:
        """Return the names of what is found in an index."""
        found = await self.find(typed, actor, **more)
        assert found.is_complete, "there is no index"
        assert found.count >= len(found.hits)
        return [each.listed.name for each in found.hits]


@contextmanager
def finder(place: Settings, whole: Parts) -> Iterator[Finder]:
    """Be the one who writes the index."""
    with Writing(index_folder(place)) as writing:
        assert writing.take()
        yield Finder(place, whole, writing)


async def push(whole: Parts, repository: str, tag: str = "v1", content: bytes = b"{}", **more: Any) -> Manifest:
    """Push an image whose configuration has that content."""
    image = manifests.image(await push_blob(whole, repository, content), **more)
    await whole.registry.manifests.push(ANYONE, RepositoryName.parse(repository), image, None, [tag])
    return image
