"""A job rests between its steps, so that whoever pulls meanwhile comes first."""

import asyncio
import time
from pathlib import Path

from entrepot.platform.jobs import Context
from entrepot.platform.jobs.model import Held
from support.parts import opened, prepared

WORK_S = 0.1


def test_a_rest_is_three_times_as_long_as_the_work_before_it_and_a_second_at_most(tmp_path: Path) -> None:
    async def rests() -> list[float]:
        async with opened(prepared(tmp_path, "")) as db:
            context, took = Context(db, Held(1, "token", "tests.call", "{}", 1, None)), []
            await context.rest()
            for work_s in (WORK_S, 0, 10 * WORK_S):
                time.sleep(work_s)  # noqa: ASYNC251 - work that holds the loop is work
                began = time.monotonic()
                await context.rest()
                took.append(time.monotonic() - began)
        return took

    short, none, long = asyncio.run(rests())
    assert short >= 3 * WORK_S
    assert none < short
    assert 1 <= long < 2.5
