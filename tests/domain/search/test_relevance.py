"""Relevance: what people look for in a catalogue of several hundred images, in English and French, stands first.

The figure is the mean reciprocal rank: 1 when what was hoped for always stands first, 1/2 when always second. The tables are
people's questions; they are not bent to what is found.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from entrepot.app.search import searching
from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from support.finding import finder
from support.parts import FILE, parts, prepared

HERE: Final = Path(__file__).parent
SHOWN: Final = 10
WORST: Final = 25


def lines(name: str) -> list[list[str]]:
    """Return the columns of a table."""
    text = (HERE / name).read_text("utf-8")
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A hub with what the catalogue lists, and an index of it."""
    place = prepared(tmp_path_factory.mktemp("relevance") / "data", "")
    asyncio.run(_filled(place))
    return place


async def _filled(place: Settings) -> None:
    verified, *rows = lines("catalogue.txt")
    homes = {owner: number for number, owner in enumerate({_stored(row[0]).partition("/")[0] for row in rows}, 1000)}
    with closing(sqlite3.connect(Path(place.data) / FILE)) as file, file:
        file.executemany(
            "INSERT OR REPLACE INTO namespace (id, name, kind, created_at) VALUES (?, ?, 'organisation', 1)",
            [(number, owner) for owner, number in homes.items()],
        )
        for number, (name, pulls, stars, description, readme) in enumerate(rows, 1):
            stored = _stored(name)
            file.execute(
                "INSERT INTO repository (id, name, description, readme, namespace, visibility, created_at, first_pushed_at)"
                " VALUES (?, ?, ?, ?, ?, 'public', 1, 1)",
                (number, stored, description, readme, homes[stored.partition("/")[0]]),
            )
            file.execute("INSERT INTO pull_total (repository, pulls, pulled_at) VALUES (?, ?, 1)", (number, int(pulls) * 1000))
            file.execute("INSERT INTO star_total (repository, stars) VALUES (?, ?)", (number, int(stars)))
        file.executemany(
            "INSERT INTO badge (namespace, kind, checked, granted_by, granted_at) VALUES (?, 'verified', 'x', 'x', 1)",
            [(homes[name],) for name in verified[0].split()[1:] if name in homes],
        )
    async with parts(place) as whole:
        with finder(place, whole) as found:
            await found.follow()


def _stored(name: str) -> str:
    return name if "/" in name else f"library/{name}"


async def ranks(place: Settings, table: str) -> list[tuple[float, str, Sequence[str]]]:
    """Return for each question the reciprocal rank of the first right answer, the question, and what was found."""
    async with parts(place) as whole:
        finds = searching(place, whole)
        told: list[tuple[float, str, Sequence[str]]] = []
        for typed, right in lines(table):
            hits = (await finds.find(ANYONE, typed, most=SHOWN)).hits
            names = [each.listed.name.removeprefix("library/") for each in hits]
            place_ = next((number for number, name in enumerate(names, 1) if name in right.split()), 0)
            told.append((1 / place_ if place_ else 0.0, typed, names))
        return told


@pytest.mark.parametrize(("table", "least"), [("asked.txt", 0.9), ("slips.txt", 0.8)])
def test_what_people_look_for_stands_first(catalogue: Settings, table: str, least: float) -> None:
    told = asyncio.run(ranks(catalogue, table))
    mean = sum(rank for rank, _, _ in told) / len(told)
    worst = [f"{rank:.2f}  {typed}: {', '.join(names[:6])}" for rank, typed, names in sorted(told)[:WORST] if rank < 1]
    assert mean >= least, "\n".join([f"{table}: {mean:.3f} of {len(told)} questions", *worst])


def test_the_tables_ask_for_what_there_is() -> None:
    names = {row[0] for row in lines("catalogue.txt")[1:]}
    assert len(names) > 400
    for table in ("asked.txt", "slips.txt"):
        rows = lines(table)
        assert len({typed for typed, _ in rows}) == len(rows)
        for typed, right in rows:
            assert set(right.split()) <= names, typed
