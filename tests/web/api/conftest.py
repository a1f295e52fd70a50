"""A hub inside the test's process, with somebody of each kind and one repository that everybody sees and one that not."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from conftest import new_database
from entrepot.app.parts import Accounts, key_file
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.platform.secrets.keys import ensure_key
from entrepot.spec.oci.names import RepositoryName
from support import manifests
from support.accounts import PASSWORD, with_accounts
from support.everybody import WHO, people
from support.http import Answer
from support.inside import Inside, inside
from support.parts import parts, prepared, push_blob

TAGS: Final = ("v1", *(f"of-{number}" for number in range(len(WHO))))


@dataclass
class Hub:
    """The hub: `headers` are those by which somebody of each kind signs in."""

    place: Settings
    inside: Inside
    headers: dict[str, str | None] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, body: object = None) -> Answer:
        """Send a request as somebody."""
        return self.inside.request(method, path, body, auth=self.headers[who])


async def _everybody(who: Accounts) -> dict[str, str | None]:
    await who.users.add("admin", PASSWORD, is_admin=True)
    return await people(who)


async def _images(place: Settings) -> None:
    async with parts(place) as whole:
        for name in ("team/app-public", "team/app-private", "team/app-deep/below"):
            image = manifests.image(await push_blob(whole, name, b"{}"), await push_blob(whole, name, b"layer"))
            repository = RepositoryName.parse(name)
            await whole.registry.manifests.push(ANYONE, repository, image, None, TAGS)
            await whole.registry.repositories.set_visibility(ANYONE, repository, public=name != "team/app-private")


@pytest.fixture(scope="module")
def database() -> str:
    """Which database it is on: what may differ between the two is tried on both."""
    return "sqlite"


@pytest.fixture(scope="module")
def hub(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    place = prepared(tmp_path_factory.mktemp("api") / "data", new_database(database, request))
    ensure_key(key_file(place))
    headers = with_accounts(place, _everybody)
    asyncio.run(_images(place))
    with inside(place) as served:
        yield Hub(place, served, headers)
