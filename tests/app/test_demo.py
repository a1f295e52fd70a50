"""`entrepot demo`: what it makes can be pulled and found, it leaves what is there alone, and goes on where it was broken off."""

import asyncio
import json

import pytest

from entrepot.app.demo import filling
from entrepot.app.demo.filling import HubInUse, fill
from entrepot.app.demo.readmes import readme
from entrepot.app.demo.stock import BADGES, ORGANISATIONS, PEOPLE, STOCK
from entrepot.app.parts import Parts, opened, prepare
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.domain.catalogue.model import MOST_CATEGORIES, Kind
from entrepot.domain.catalogue.service.shelves import Shelves
from entrepot.domain.registry.service.repositories import LONGEST_DESCRIPTION, LONGEST_README
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support.parts import sql

NAMES = ("library/redis", "alice/sqlite-tools", "equipe-donnees/postgres-backup", "gwen/hello")
SOME = [each for each in STOCK if each.name in NAMES]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A hub that the demo has filled with some of its images, after it was broken off in the middle."""
    made = Settings(data=str(tmp_path_factory.mktemp("demo")))
    prepare(made)

    async def run() -> None:
        async with opened(made) as parts:
            told: list[str] = []
            assert await fill(made, parts, anyway=False, say=told.append, stock=SOME[:2]) == 2
            assert told == [each.name for each in SOME[:2]]
            with pytest.raises(HubInUse, match="--anyway"):
                await fill(made, parts, anyway=False, say=told.append, stock=SOME)
            assert await fill(made, parts, anyway=True, say=told.append, stock=SOME) == 2

    asyncio.run(run())
    return made


async def everything(parts: Parts) -> None:
    for stock in SOME:
        name = RepositoryName.parse(stock.name)
        (listed,) = await parts.registry.listing.of_names([stock.name])
        ((_, shelved),) = await Shelves(parts.db).of([listed])
        assert (shelved.stars, set(shelved.categories)) == (stock.fans, set(stock.categories))
        tags = {each.name for each in await parts.registry.tags.details(ANYONE, name, "", 100)}
        assert {*stock.versions, "latest"} <= tags
        detail = await parts.registry.tags.detail(ANYONE, name, "latest")
        variants = (await Shelves(parts.db).variants([(await Shelves(parts.db).shown(listed.id) or (0, ""))[0]])).popitem()[1]
        assert sorted(each.platform for each in variants) == sorted(stock.platforms)
        for each in variants:
            manifest = await parts.registry.manifests.find(ANYONE, name, Digest.parse(each.digest))
            for blob in (json.loads(manifest.content)["config"], *json.loads(manifest.content)["layers"]):
                link = await parts.registry.blobs.check(ANYONE, name, Digest.parse(blob["digest"]))
                assert link.size == blob["size"]
        assert detail.pushed_by == stock.by
        days = await parts.registry.pulls.days(listed.id)
        assert sum(each.pulls for each in days) == listed.pulls
        assert (listed.pulls > 0) == (stock.daily > 1)


def test_what_it_makes_is_whole(place: Settings) -> None:
    async def run() -> None:
        async with opened(place) as parts:
            await everything(parts)
            backup = await parts.registry.listing.of_names(["equipe-donnees/postgres-backup"])
            ((_, shelved),) = await Shelves(parts.db).of(backup)
            assert shelved.kind is Kind.VERIFIED
            assert [fault async for fault in parts.registry.checker.manifests()] == []
            assert [fault async for fault in parts.registry.checker.references()] == []
            assert [found async for found in parts.registry.blobs.leftovers()] == []

    asyncio.run(run())


def test_older_versions_were_pushed_longer_ago(place: Settings) -> None:
    rows = asyncio.run(
        sql(
            place,
            "SELECT tag.name, tag.pushed_at FROM tag JOIN repository ON repository.id = tag.repository "
            "WHERE repository.name = 'library/redis' AND tag.name IN ('7.4.5', '8.0.3', '8.2.1') ORDER BY tag.pushed_at",
        )
    )
    assert [name for name, _ in rows] == ["7.4.5", "8.0.3", "8.2.1"]
    assert rows[2][1] - rows[0][1] > 40 * 86_400_000_000


def test_nobody_of_the_demo_can_sign_in(place: Settings) -> None:
    assert asyncio.run(sql(place, "SELECT count(*) FROM account WHERE password IS NOT NULL")) == [(0,)]
    assert asyncio.run(sql(place, "SELECT count(*) FROM account")) == [(len(PEOPLE),)]


@pytest.mark.fast
def test_the_stock_fits_together() -> None:
    names = [each.name for each in STOCK]
    assert len(set(names)) == len(names)
    for each in STOCK:
        assert len(each.about) <= LONGEST_DESCRIPTION
        assert len(readme(each, each.versions)) < LONGEST_README
        assert len(each.categories) <= MOST_CATEGORIES
        assert each.fans <= len(PEOPLE)
        owner = each.name.partition("/")[0]
        assert owner in {*PEOPLE, *ORGANISATIONS, "library"}
    assert BADGES.keys() <= ORGANISATIONS.keys()
    assert filling._before("a/b") < "a/b"
