"""Looking into images that were pushed: what is told of them in lists stands in their configuration, which lies among the blobs.

It is not done while they are pushed: a push would wait for it, and a bucket be asked for each. Whoever follows the changes of
repositories does it a moment later, and a daily job for what was missed.
"""

import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from entrepot.base.errors import EntrepotError, Unavailable
from entrepot.domain.access.model import Actor
from entrepot.domain.catalogue.model import Image, Unlooked
from entrepot.domain.catalogue.queries import images
from entrepot.domain.registry.service import within
from entrepot.domain.registry.service.blobs import Blobs
from entrepot.platform.db.database import Database, Transaction
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.images import CONFIGS, LARGEST_CONFIG, document, download_bytes, pairs, platform, text
from entrepot.spec.oci.media_types import INDEXES
from entrepot.spec.oci.names import RepositoryName

_log: Final = logging.getLogger(__name__)
_US: Final = Actor("the hub")
_AT_ONCE: Final = 8  # a manifest may have 4 MiB
_WINDOW: Final = 5_000  # ids that are looked at in one statement
_MOST_LABELS: Final = 500
_LONGEST_LABEL: Final = 500
# Those that search and lists know (OCI image-spec 1.1, annotations), and those that came before them.
KNOWN_LABELS: Final = frozenset(
    f"org.opencontainers.image.{name}"
    for name in ("title", "description", "source", "url", "documentation", "licenses", "vendor", "version", "base.name")
) | frozenset({"org.label-schema.description", "org.label-schema.name", "org.label-schema.vcs-url", "maintainer"})


class Looking:
    """Reads images; `blobs` are those of everybody, for nothing is shown here."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self._db = db
        self._blobs = blobs

    async def look_at(self, manifests: Sequence[int]) -> int:
        """Look into those of these manifests that nobody looked into; return how many. Raises RegistryReadOnly, Unavailable."""
        looked = 0
        for place in range(0, len(manifests), _AT_ONCE):
            looked += await self._note(await self._db.read(images.unlooked, manifests[place : place + _AT_ONCE]))
        return looked

    async def look_behind(self, after: int) -> int | None:
        """Look into the next manifests behind an id, and let search know; return up to which id, None behind the last one.

        Raises:
            RegistryReadOnly, Unavailable
        """
        ids, end = await self._db.read(images.unlooked_after, after, _WINDOW, _AT_ONCE)
        if ids:
            await self._note(await self._db.read(images.unlooked, ids), is_late=True)
        return end

    async def _note(self, found: Sequence[Unlooked], *, is_late: bool = False) -> int:
        seen = [await self._seen(each) for each in found]
        repositories = {each.repository_id for each in found} if is_late else set()
        if not await self._is_added(seen, repositories):
            for each in seen:  # one was pushed to break this: what is known of the others is kept
                if not await self._is_added([each], repositories):
                    await self._add([Image(each.manifest)], repositories)
        return len(found)

    async def _is_added(self, seen: Sequence[Image], repositories: set[int]) -> bool:
        try:
            await self._add(seen, repositories)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever the database cannot keep is not to keep others from being looked into
            _log.exception("images_not_noted", extra={"manifests": [each.manifest for each in seen]})
            return False
        return True

    async def _add(self, seen: Sequence[Image], repositories: set[int]) -> None:
        async def add(tx: Transaction) -> None:
            for each in sorted(seen, key=lambda image: image.manifest):
                await images.add(tx, each)
            for repository in sorted(repositories):
                await within.note_change(tx, repository)

        if seen:
            await self._db.write(add, durable=False)

    async def _seen(self, found: Unlooked) -> Image:
        manifest = document(found.content)
        labels = pairs(manifest.get("annotations"), _MOST_LABELS)
        size = 0 if found.media_type in INDEXES else download_bytes(manifest, len(found.content))
        config = manifest.get("config")
        said: dict[str, Any] = {}
        if found.config and isinstance(config, dict) and config.get("mediaType") in CONFIGS:
            said = document(await self._read(found))
        inner = said.get("config")
        inner = inner if isinstance(inner, dict) else {}
        labels = pairs(inner.get("Labels"), _MOST_LABELS) | labels
        known = {name: value[:_LONGEST_LABEL] for name, value in labels.items() if name in KNOWN_LABELS}
        return Image(found.id, platform(said), size, text(inner.get("User"))[:_LONGEST_LABEL], known)

    async def _read(self, found: Unlooked) -> bytes:
        """Return the bytes of a configuration; nothing when they are lost or too many. Raises Unavailable."""
        try:
            link = await self._blobs.find(_US, RepositoryName.parse(found.repository), Digest.parse(found.config))
            if link.size > LARGEST_CONFIG:
                return b""
            small = self._blobs.at_hand(link)
            if small is None:
                small = await self._blobs.fetch(link, Digest.parse(found.config))
            if small is not None:
                return small
            async with aclosing(self._blobs.read(link, 0, link.size - 1)) as pieces:
                return b"".join([piece async for piece in pieces])
        except Unavailable:
            raise
        except EntrepotError as error:
            _log.debug("configuration_not_read", extra={"manifest": found.id, "reason": error.message})
            return b""
