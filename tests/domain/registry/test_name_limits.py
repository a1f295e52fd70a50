"""What renames may not do: make names too long, or take every name that there is."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.registry.errors import NameTooLong, TooManyHeld
from support.parts import parts, push_blob, sql


def test_nobody_takes_every_name_by_renames(place: Settings, number: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.domain.registry.service.names.MOST_HELD", 2)
    called = [f"taker{next(number)}" for _ in range(4)]

    async def scenario() -> None:
        async with parts(place) as whole:
            await push_blob(whole, f"{called[0]}/app", b"layer")
            for old, new in pairwise(called[:3]):
                await whole.registry.names.rename(old, new, "organisation")
            with pytest.raises(TooManyHeld, match="release one first"):
                await whole.registry.names.rename(called[2], called[3], "organisation")
            assert await whole.registry.names.held_by(called[2]) == called[:2]
            await whole.registry.names.release(called[0])
            await whole.registry.names.rename(called[2], called[3], "organisation")

    asyncio.run(scenario())


def test_no_name_becomes_longer_than_names_may_be(place: Settings, number: Iterator[int]) -> None:
    short, long = f"s{next(number)}", f"{'l' * 40}{next(number)}"

    async def scenario() -> None:
        async with parts(place) as whole:
            longest = f"{short}/{'a' * (255 - len(short) - 1)}"
            await push_blob(whole, longest, b"layer")
            with pytest.raises(NameTooLong, match="255"):
                await whole.registry.names.rename(short, long, "organisation")
            assert await sql(place, "SELECT count(*) FROM namespace WHERE name = $1", long) == [(0,)]

    asyncio.run(scenario())
