"""`entrepot search`, and the doctor's line about the index."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from entrepot.app.search import check_index, index_folder
from entrepot.base.findings import Finding
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.platform.search.writing import place_of
from entrepot.spec.oci.names import RepositoryName
from support.commands import within
from support.finding import finder, push
from support.history import options
from support.parts import opened, parts, prepared, sql


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two images, one of which is not for everyone, and no index yet."""
    made = prepared(tmp_path_factory.mktemp("filled") / "data", "")
    asyncio.run(_filled(made))
    return Path(made.data)


@pytest.fixture
def place(filled: Path, tmp_path: Path) -> Settings:
    """A copy of it."""
    return Settings(data=str(shutil.copytree(filled, tmp_path / "data")), access="open")


async def _filled(place: Settings) -> None:
    async with parts(place) as whole:
        for name in ("library/heron", "team/heron-secret"):
            await push(whole, name)
        await whole.registry.repositories.set_visibility(ANYONE, RepositoryName.parse("team/heron-secret"), public=False)
        said = "a bird\x1b[31m\n\u202eof prey"
        await whole.registry.repositories.describe(ANYONE, RepositoryName.parse("heron"), description=said)


async def follow(place: Settings) -> None:
    async with parts(place) as whole:
        with finder(place, whole) as found:
            await found.follow()


def checked(place: Settings) -> Finding:
    async def look() -> Finding:
        async with opened(place) as db:
            return await check_index(place, db)

    return asyncio.run(look())


def test_everything_is_found_and_shown_without_what_steers_a_terminal(place: Settings) -> None:
    asyncio.run(follow(place))
    done = within("search", "find", "herons", "bird", *options(place))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "NAME           KIND      PULLS  STARS  DESCRIPTION",
        "library/heron  official  0      0      a bird [31m  of prey",
    ]
    told = within("search", "find", "heron", "--json", "--sort", "pulls", "--limit", "1", *options(place))
    found = json.loads(told.stdout)
    assert (found["count"], len(found["hits"])) == (2, 1)


def test_without_an_index_names_are_found_and_that_is_said(place: Settings) -> None:
    done = within("search", "find", "team/heron", *options(place))
    assert "team/heron-secret" in done.stdout
    assert "no search index" in done.stderr


def test_slips_are_said(place: Settings) -> None:
    asyncio.run(follow(place))
    assert "found with: heron" in within("search", "find", "heorn", *options(place)).stderr


def test_an_order_that_is_none_is_wrong_use(place: Settings) -> None:
    assert within("search", "find", "heron", "--sort", "size", *options(place)).exit_code == 2


def test_an_index_is_made_anew_when_it_is_asked_for(place: Settings) -> None:
    asyncio.run(follow(place))
    before = place_of(index_folder(place))
    assert within("search", "rebuild", *options(place)).exit_code == 0
    asyncio.run(follow(place))
    now = place_of(index_folder(place))
    assert before is not None
    assert now is not None
    assert now.made_at > before.made_at


def test_a_folder_that_holds_no_registry_is_refused(tmp_path: Path) -> None:
    for words in (("find", "heron"), ("rebuild",)):
        assert within("search", *words, "--data", str(tmp_path)).exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_tells_how_the_index_stands(place: Settings) -> None:
    assert "no index" in checked(place).told
    asyncio.run(follow(place))
    assert (checked(place).verdict, checked(place).told) == ("ok", "2 images, nothing waits")
    asyncio.run(_filled(place))
    assert checked(place).verdict == "ok"
    asyncio.run(sql(place, "UPDATE repository_change SET made_at = made_at - 100000000 WHERE id > 4"))
    late = checked(place)
    assert late.verdict == "warning"
    assert "changes are not in the index, the first for 10" in late.told
    asyncio.run(sql(place, "UPDATE repository_change SET made_at = 1"))
    assert "does not follow" in checked(place).told
