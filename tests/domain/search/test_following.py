"""Following: what is changed is found, or found no more, and whatever becomes of index, database and disk, it goes on."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import pytest

from entrepot.app.parts import Parts
from entrepot.app.search import following, index_folder, searching
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE, Actor
from entrepot.domain.access.service.rule import OpenRule
from entrepot.domain.catalogue.model import Badge, Kind
from entrepot.domain.catalogue.service.kinds import Kinds
from entrepot.domain.catalogue.service.stars import Stars
from entrepot.domain.search.model import Filters, Order
from entrepot.platform.search.model import Place
from entrepot.platform.search.writing import ask_anew, folder_of
from entrepot.spec.oci.names import RepositoryName
from support.accounts import PASSWORD
from support.disks import fill
from support.finding import Finder, finder, push
from support.parts import parts, prepared, sql
from support.tools import missing

pytestmark = pytest.mark.single
FOREIGN: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
name: Final = RepositoryName.parse
DAY_US: Final = 86_400_000_000
Act = Callable[[Finder, str], Awaitable[object]]


def play(place: Settings, scenario: Callable[[Finder], Awaitable[None]]) -> None:
    async def run() -> None:
        async with parts(place) as whole:
            with finder(place, whole) as found:
                await scenario(found)

    asyncio.run(run())


def test_what_is_pushed_is_found_with_what_it_says_of_itself(place: Settings, number: Iterator[int]) -> None:
    word = f"whale{next(number)}"
    config = b'{"os":"linux","architecture":"arm64","config":{"Labels":{"org.opencontainers.image.vendor":"Humpback"}}}'

    async def scenario(on: Finder) -> None:
        await on.follow()
        assert await on.names(word) == []
        await push(on.whole, f"team/{word}-app", content=config)
        await on.whole.registry.repositories.describe(
            ANYONE, name(f"team/{word}-app"), description="Swims in the ocean", readme="# Baleines\nPlonge profondément"
        )
        await on.follow()
        for typed in (
            word,
            f"{word}app",
            word[:4],
            "oceans",
            "humpback",
            "baleine",
            "plonger",
            f"app {word}",
            f"team/{word}-app",
        ):
            assert f"team/{word}-app" in await on.names(typed), typed
        assert await on.names(word, filters=Filters(architectures=("arm64",))) == [f"team/{word}-app"]
        assert await on.names(word, filters=Filters(architectures=("amd64",))) == []

    play(place, scenario)


GONE: Final[dict[str, Act]] = {
    "deleted": lambda on, app: on.whole.registry.repositories.delete(ANYONE, name(app)),
    "renamed": lambda on, app: on.whole.registry.repositories.rename(ANYONE, name(app), name("team/other")),
    "described": lambda on, app: on.whole.registry.repositories.describe(ANYONE, name(app), description="other"),
}


@pytest.mark.parametrize("act", GONE)
def test_what_it_is_called_no_more_does_not_find_it(place: Settings, number: Iterator[int], act: str) -> None:
    word = f"word{next(number)}"
    app = f"team/{'app' if act == 'described' else word}{next(number)}"

    async def scenario(on: Finder) -> None:
        await push(on.whole, app)
        await on.whole.registry.repositories.describe(ANYONE, name(app), description=word if act == "described" else "")
        await on.follow()
        assert await on.names(word) == [app]
        await GONE[act](on, app)
        assert await on.names(word) == ([app] if act == "described" else []) or act == "renamed"  # before it is followed
        await on.follow()
        assert await on.names(word) == []
        if act == "renamed":
            assert await on.names("other") == ["team/other"]

    play(place, scenario)


def test_a_namespace_takes_all_that_is_in_it_along(place: Settings, number: Iterator[int]) -> None:
    team, crew = f"pirates{next(number)}", f"sailors{next(number)}"

    async def scenario(on: Finder) -> None:
        for path in ("app", "web"):
            await push(on.whole, f"{team}/{path}")
        await on.follow()
        await on.whole.registry.names.rename(team, crew, "organisation")
        await Kinds(on.whole.db, OpenRule()).grant(crew, Badge.VERIFIED, "seen")
        await on.follow()
        assert await on.names(team) == []
        assert sorted(await on.names(crew)) == [f"{crew}/app", f"{crew}/web"]

    play(place, scenario)


def test_pulls_and_stars_change_the_order(place: Settings, number: Iterator[int]) -> None:
    word, user = f"word{next(number)}", f"cleo{next(number)}"

    async def scenario(on: Finder) -> None:
        for path in ("first", "second"):
            await push(on.whole, f"{path}/{word}")
        await on.follow()
        assert await on.names(word) == [f"first/{word}", f"second/{word}"]
        for _ in range(30):
            on.whole.registry.pulls.note(ANYONE, f"second/{word}", "192.0.2.1")
        await on.whole.registry.pulls.flush()
        await on.follow()
        for order in (Order.PULLS, Order.BEST):
            assert await on.names(word, order=order) == [f"second/{word}", f"first/{word}"]
        await on.whole.accounts.users.add(user, PASSWORD)
        actor = Actor(user, account=(await on.whole.accounts.users.find(user)).id)
        await Stars(on.whole.db, OpenRule()).give(actor, name(f"first/{word}"))
        await on.follow()
        assert await on.names(word, order=Order.STARS) == [f"first/{word}", f"second/{word}"]
        assert await on.names(word, order=Order.UPDATED) == [f"second/{word}", f"first/{word}"]

    play(place, scenario)


def _older(place: Place) -> Place:
    return msgspec.structs.replace(place, at=place.at - 6 * DAY_US - 1)


LOST: Final[dict[str, Callable[[Place], Place]]] = {
    "of another database": lambda place: msgspec.structs.replace(place, database="another"),
    "of a copy that went on": lambda place: msgspec.structs.replace(place, change_at=place.change_at - 1),
    "of a later state": lambda place: msgspec.structs.replace(place, id=place.id + 1000),
    "of a later transaction": lambda place: msgspec.structs.replace(place, xact=place.xact + (1 << 40)),
    "too old": _older,
    "made long ago": lambda place: msgspec.structs.replace(place, made_at=place.made_at - 8 * DAY_US),
}


def test_an_index_that_cannot_be_followed_on_is_made_anew(place: Settings, number: Iterator[int]) -> None:
    word = f"word{next(number)}"

    async def scenario(on: Finder) -> None:
        await push(on.whole, f"team/{word}")
        for how in ("nothing is wrong", "asked", "gone", *LOST):
            await on.follow()
            place_, said = on.writing.place(), f"unfollowed{next(number)}"
            assert place_ is not None
            # What no change tells of is found only by an index that is made anew.
            await sql(on.place, "UPDATE repository SET description = $2 WHERE name = $1", f"team/{word}", said)
            await on.follow()
            if how in LOST:
                on.writing.note(LOST[how](place_))
            elif how == "asked":
                ask_anew(index_folder(place))
            elif how == "gone":
                on.writing.close()
                shutil.rmtree(folder_of(index_folder(place)))
            await on.follow()
            assert (await on.names(said) == [f"team/{word}"]) == (how != "nothing is wrong"), how

    play(place, scenario)


def test_an_index_of_very_many_is_made_in_parts(place: Settings, number: Iterator[int]) -> None:
    word = f"word{next(number)}"

    async def scenario(on: Finder) -> None:
        await push(on.whole, f"team/{word}-0")
        await sql(
            on.place,
            "INSERT INTO repository (name, namespace, visibility, created_at, first_pushed_at)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)"
            " SELECT repository.name || i, namespace, visibility, created_at, first_pushed_at FROM repository, n WHERE name = $1",
            f"team/{word}-0",
        )
        ask_anew(index_folder(place))
        await on.follow()
        assert (await on.find(word, most=10)).count == 451

    play(place, scenario)


@asynccontextmanager
async def running(place: Settings) -> AsyncIterator[Parts]:
    """Follow in the way that the job process does, but in a hurry."""
    async with parts(place) as whole:
        follower = following(place, whole)
        follower._again_s = 0.1
        task = asyncio.create_task(follower.run())
        try:
            yield whole
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def found(place: Settings, whole: Parts, typed: str, *, soon: bool = True) -> bool:
    """Tell whether an index has it, in a moment or now."""
    for _ in range(150):
        hits = await searching(place, whole).find(ANYONE, typed)
        if (hits.is_complete and hits.count > 0) or not soon:
            return hits.is_complete and hits.count > 0
        await asyncio.sleep(0.1)
    return False


def test_it_goes_on_when_the_database_was_away(postgres: Any, tmp_path: Path) -> None:
    url = postgres.new_database()
    place = prepared(tmp_path / "data", url)
    database = url.rpartition("/")[2].partition("?")[0]

    async def scenario() -> None:
        boss = await asyncpg.connect(postgres.new_database())
        try:
            async with running(place) as whole:
                await push(whole, "team/before")
                assert await found(place, whole, "before")
                await boss.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
                await boss.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
                await asyncio.sleep(1.0)
                await boss.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
                async with parts(place) as other:
                    await push(other, "team/after")
                    assert await found(place, other, "after")
        finally:
            await boss.close()

    asyncio.run(scenario())


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system that is soon full, in the place of the folder of the index."""
    folder = tmp_path / "data" / "cache" / "search"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"a small file system can be mounted by root only: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_folder_that_is_full_is_waited_for(small: Path, tmp_path: Path) -> None:
    place = prepared(tmp_path / "data", "")

    async def scenario() -> None:
        async with running(place) as whole:
            await push(whole, "team/before")
            assert await found(place, whole, "before")
            fill(small / "others")
            await push(whole, "team/after")
            await asyncio.sleep(1.2)
            # What there was is found all the time.
            assert await found(place, whole, "before", soon=False)
            assert not await found(place, whole, "after", soon=False)
            (small / "others").unlink()
            assert await found(place, whole, "after")

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_made_is_waited_for(tmp_path: Path) -> None:
    place = prepared(tmp_path / "data", "")
    index_folder(place).parent.mkdir()
    index_folder(place).touch()

    async def scenario() -> None:
        async with running(place) as whole:
            await push(whole, "team/app")
            await asyncio.sleep(0.3)
            assert not await found(place, whole, "app", soon=False)
            index_folder(place).unlink()
            assert await found(place, whole, "app")

    asyncio.run(scenario())


def test_an_index_whose_files_were_damaged_is_made_anew(tmp_path: Path) -> None:
    place = prepared(tmp_path / "data", "")

    async def scenario() -> None:
        async with parts(place) as whole:
            with finder(place, whole) as on:
                await push(whole, "team/before")
                await on.follow()
        for each in folder_of(index_folder(place)).glob("*.*"):
            if each.suffix not in (".json", ".lock"):
                each.write_bytes(b"damaged")
        async with running(place) as whole:
            await push(whole, "team/after")
            assert await found(place, whole, "after")
            assert await found(place, whole, "before")

    asyncio.run(scenario())


def test_what_was_pushed_to_break_it_does_not_end_it(place: Settings, number: Iterator[int]) -> None:
    word = f"kraken{next(number)}"
    hostile = b'{"os":"windows\\nkind:official\\tkind:verified","architecture":"amd64 category:security"'
    hostile += b',"config":{"User":"a\\u0000b"}}'

    async def scenario(on: Finder) -> None:
        await on.follow()  # an index that is made anew does not look into images
        await push(on.whole, f"team/{word}", content=hostile)
        layer: dict[str, Any] = {"mediaType": FOREIGN, "digest": f"sha256:{'a' * 64}"}
        layer |= {"size": (1 << 63) - 1, "urls": ["https://elsewhere.example/"]}
        await push(
            on.whole, f"team/{word}-large", content=b'{"os":"linux"}', layers=[layer, {**layer, "digest": f"sha256:{'b' * 64}"}]
        )
        await on.follow()
        assert await on.names(word) == [f"team/{word}", f"team/{word}-large"]
        found = await on.find(word, filters=Filters(systems=("linux",)))
        assert [str(hit.listed.name) for hit in found.hits] == [f"team/{word}-large"]
        for filters in (Filters(kinds=(Kind.OFFICIAL,)), Filters(kinds=(Kind.VERIFIED,)), Filters(categories=("security",))):
            found = await on.find(word, filters=filters)
            assert found.count == 0, filters

    play(place, scenario)
