"""Tags as they are told: what they name counts as far as it lies in their own repository."""

import asyncio

from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.registry.service import Rules, registry
from entrepot.domain.registry.service.repositories import facts_in
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.parts import parts, push_blob


def test_the_size_of_a_blob_elsewhere_in_the_hub_shows_nowhere(place: Settings) -> None:
    async def scenario() -> None:
        async with parts(place) as whole:
            secret = await push_blob(whole, "tags/theirs", b"x" * 12_345)
            # A registry that takes images whose layers it has not got.
            rooms = registry(whole.db, whole.storage, OpenRule(facts_in(whole.db)), Rules(gc_grace_s=3600, sparse="images"))
            config = await push_blob(whole, "tags/ours", b"{}")
            image = manifests.image(config, secret, Digest.of(b"nowhere"))
            name = RepositoryName.parse("tags/ours")
            await rooms.manifests.push(ANYONE, name, image, None, ["guess"])
            (told,) = await rooms.tags.details(ANYONE, name, "", 10)
            assert told.size == len(image.content) + len(b"{}")
            await push_blob(whole, "tags/ours", b"x" * 12_345)
            (told,) = await rooms.tags.details(ANYONE, name, "", 10)
            assert told.size == len(image.content) + len(b"{}") + 12_345

    asyncio.run(scenario())
