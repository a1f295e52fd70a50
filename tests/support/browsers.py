"""A hub in the test's process with somebody of each kind and a browser for each of them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import PASSWORD, with_accounts
from support.browsing import Browser
from support.everybody import people
from support.inside import Inside, inside
from support.parts import parts, prepared, push_blob

# One that all see, one that its readers and editors see, and one that its editors see alone.
IMAGES: Final = ("team/app-public", "team/app-private", "team/other")


class Browsers:
    """The browsers of all who are there."""

    def __init__(self, place: Settings, at: Inside) -> None:
        self.place = place
        self.at = at
        self._open: dict[str, Browser] = {}

    def of(self, name: str) -> Browser:
        """Return somebody's, signed in; that of 'nobody' is not."""
        if name not in self._open:
            self._open[name] = Browser(self.at, "" if name == "nobody" else name)
        return self._open[name]


@contextmanager
def browsers(data: Path) -> Iterator[Browsers]:
    """Serve a hub with somebody of each kind and the organisation `team`, without its tokens' limits."""
    place = prepared(data, "")
    ensure_key(key_file(place))
    with_accounts(place, _everybody)
    asyncio.run(_images(place))
    with inside(place) as at:
        yield Browsers(msgspec.structs.replace(place, access="accounts"), at)


async def _everybody(who: Accounts) -> None:
    await who.users.add("admin", PASSWORD, is_admin=True)
    await people(who)


async def _images(place: Settings) -> None:
    async with parts(place) as whole:
        for name in IMAGES:
            image = manifests.image(await push_blob(whole, name, b"{}"), await push_blob(whole, name, b"layer"))
            repository = RepositoryName.parse(name)
            await whole.registry.manifests.push(ANYONE, repository, image, None, ["v1"])
            await whole.registry.repositories.set_visibility(ANYONE, repository, public=name == IMAGES[0])
