"""No node's clock decides anything about jobs: only the database's does, and it may be years apart from theirs."""

import ast
import asyncio
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.platform import jobs
from entrepot.platform.jobs import Schedule
from entrepot.platform.jobs.queries import add_queues
from support.jobs import LAST, Call, Running, Steps, effects, engine, make_effects, put, run_out, stepping, until_state
from support.parts import opened, prepared, sql
from support.postgres import Cluster

CLOCKS: Final = {"time", "datetime", "now_us", "monotonic", "perf_counter"}
# Found before PostgreSQL's own, because the database's search path names its schema first.
OTHER_CLOCK: Final = (
    "CREATE SCHEMA apart",
    (
        "CREATE FUNCTION apart.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
        "AS $$ SELECT pg_catalog.clock_timestamp() + interval '{}' $$"
    ),
)


def test_the_code_of_jobs_reads_no_clock_of_the_node() -> None:
    for file in Path(jobs.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not CLOCKS & {each.name for each in node.names}, file
            if isinstance(node, ast.ImportFrom) and node.module != "entrepot.platform.db.columns":
                assert not CLOCKS & {node.module, *(each.name for each in node.names)}, file
            if isinstance(node, ast.Attribute):
                assert node.attr not in CLOCKS, f"{file}:{node.lineno}"


@pytest.mark.parametrize("apart", ["-3 years", "+3 years"])
def test_a_database_whose_clock_is_years_apart_runs_jobs_as_any_other(postgres: Cluster, tmp_path: Path, apart: str) -> None:
    place = prepared(tmp_path / "data", postgres.new_database())
    name = place.database.rpartition("/")[2]
    for statement in (*OTHER_CLOCK, f"ALTER DATABASE {name} SET search_path = apart, public, pg_catalog"):
        postgres.query(statement.format(apart), name)
    asyncio.run(_scenario(place))


async def _scenario(place: Settings) -> None:
    await make_effects(place)
    async with opened(place) as dead, opened(place) as db:
        apart = "SELECT abs(extract(epoch FROM pg_catalog.clock_timestamp()) - created_at / 1e6) > 9e7 FROM job"
        made = await put(dead, Steps())
        assert await sql(place, apart) == [(True,)], "the other clock is not in use"
        later = await put(dead, Steps(), delay_us=3_600_000_000)
        at_work = engine(db, (Steps, stepping("one")), (Call, stepping("one")), schedules=[Schedule("hourly", 3600, Call())])
        await dead.write(partial(add_queues, names=["steps"]))
        assert [held.id for held in await engine(dead, (Steps, stepping("dead"))).claim(1)] == [made]
        assert await at_work.claim(1) == [], "the lease does not hold"
        await run_out(place)
        async with Running(at_work):
            await until_state(place, "done", [made])
        assert await effects(place) == {made: [1, 2, LAST]}
        assert (await sql(place, "SELECT state FROM job WHERE id = $1", later)) == [("ready",)]
        assert (await sql(place, "SELECT count(*) FROM job WHERE key LIKE 'sched-%'")) == [(1,)]
