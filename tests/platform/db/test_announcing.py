"""Waiting for what others commit: told soon after the commit and not before, and never deaf to being cancelled."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert

from entrepot.base.settings import Settings
from entrepot.platform.db.announcing import announced
from entrepot.platform.db.database import Database, Transaction
from entrepot.platform.db.statements import Statement
from support.parts import opened
from support.postgres import Cluster
from support.shelf import SHELF, make_shelf

ADD = Statement(insert(SHELF).values(name=bindparam("name"), held=bindparam("held")).returning(SHELF.c.name, announced()))


async def told(db: Database, timeout_s: float) -> float:
    """Wait and return for how long."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await db.changed(timeout_s)
    return loop.time() - begun


async def add(db: Database, name: str) -> None:
    async def body(tx: Transaction) -> None:
        await tx.one(ADD, name=name, held=1)

    await db.write(body)


def test_who_waits_is_told_soon_after_a_commit_and_else_at_the_limit(place: Settings) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as waiting, opened(place) as other:
            await waiting.changed(1)  # the first time nobody knows what was before
            assert 0.4 < await told(waiting, 0.5) < 2
            for number in range(3):
                waiter = asyncio.create_task(told(waiting, 10))
                await asyncio.sleep(0.1)
                assert not waiter.done()
                await add(other, f"row-{number}")
                assert await waiter < 2

    asyncio.run(scenario())


def test_on_postgresql_what_is_undone_tells_nobody(postgres: Cluster, tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path), database=postgres.new_database())

    async def undone(tx: Transaction) -> None:
        await tx.one(ADD, name="undone", held=1)
        raise LookupError

    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as waiting, opened(place) as other:
            await waiting.changed(1)
            waiter = asyncio.create_task(told(waiting, 0.6))
            with pytest.raises(LookupError):
                await other.write(undone)
            assert await waiter > 0.5

    asyncio.run(scenario())


@pytest.mark.parametrize("turns", range(6))
def test_who_is_told_at_the_moment_of_being_cancelled_is_cancelled(place: Settings, turns: int) -> None:
    async def scenario() -> None:
        await make_shelf(place)
        async with opened(place) as db:
            await db.changed(1)
            waiter = asyncio.create_task(_for_ever(db))
            await asyncio.sleep(0.05)
            if place.database:
                db._announced.set()  # type: ignore[attr-defined]  # what PostgreSQL's message does
            for _ in range(turns):
                await asyncio.sleep(0)
            waiter.cancel()
            ended, _ = await asyncio.wait([waiter], timeout=3)
            assert ended, "it did not hear that it was cancelled"

    asyncio.run(scenario())


async def _for_ever(db: Database) -> None:
    for _ in range(5):
        await db.changed(60)
