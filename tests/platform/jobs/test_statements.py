"""Every statement about jobs, run in one scenario on both databases, returns the same rows: equal values of equal types."""

import asyncio
from functools import partial
from typing import Any, Final

import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db.database import Database
from entrepot.platform.db.statements import ListStatement, Statement
from entrepot.platform.jobs import Board, Context, JobRefused, Schedule, enqueue, queries
from entrepot.platform.jobs.model import Held
from entrepot.platform.jobs.schedule import make_due
from support.jobs import Call, Reached, Steps, engine, make_effects, put, run_out, stepping
from support.parts import opened, prepared, sql
from support.postgres import Cluster
from support.recorder import Recorder, Seen

STATEMENTS: Final = {id(value): name for name, value in vars(queries).items() if isinstance(value, Statement | ListStatement)}
NOBODY: Final = Held(1, "nobody", "none", "{}", 1, None)


async def _scenario(place: Settings) -> list[Seen]:
    await make_effects(place)
    async with opened(place) as db:
        recorder = Recorder(db)
        await recorder.write(partial(queries.add_queues, names=["calls", "steps"]))
        at_work = engine(recorder, (Steps, stepping("one")), (Call, stepping("one")), limits={"calls": 1, "steps": 2})
        await _work(recorder, at_work, place)
        await _people(recorder)
        await make_due(recorder, [Schedule("rarely", 86_400 * 365 * 1000, Call())])
        await make_due(recorder, [Schedule("rarely", 86_400 * 365 * 1000, Call())])
        # Last: on PostgreSQL a key that is taken spends a number.
        assert await recorder.write(partial(enqueue, work=Call(), key="b", again=True)) is None
        await sql(place, "UPDATE job SET finished_at = 1 WHERE finished_at IS NOT NULL")
        assert await recorder.write(partial(queries.prune, keep_us=1, limit=10)) == 2
        return recorder.seen


async def _work(db: Database, at_work: Any, place: Settings) -> None:
    first, second = await put(db, Steps(), key="a"), await put(db, Steps(1))
    (one,) = await at_work.claim(1)
    context = Context(db, one)
    await context.save(Reached(1))
    await context.progress(1, 2, "half")
    assert await db.write(partial(queries.give_back, held=one))
    (one, two) = await at_work.claim(2)
    await at_work.perform(one)
    assert await db.write(partial(queries.fail, held=two, reason="é", pause_us=0))
    (two,) = await at_work.claim(2)
    await run_out(place)
    (two,) = await at_work.claim(2)
    assert await db.write(partial(queries.end_cancelled, held=two))
    assert (one.id, two.id) == (first, second)
    for act in (queries.give_back, queries.end_cancelled, queries.finish):
        assert not await db.write(partial(act, held=NOBODY))


async def _people(db: Database) -> None:
    board = Board(db)
    waiting = await put(db, Call("é"), delay_us=3_600_000_000)
    await board.cancel(waiting)
    await board.retry(waiting)
    await board.cancel(waiting)
    await board.drop(waiting)
    with pytest.raises(JobRefused):
        await board.cancel(1)
    running = await put(db, Call(), key="b", delay_us=3_600_000_000)
    assert [row.id for row in await board.jobs(None, limit=10)] == [running, 2, 1]
    assert await board.count_running() == 0
    assert [row.id for row in await board.jobs("done", limit=10)] == [1]


@pytest.fixture(scope="module")
def both(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> list[list[Seen]]:
    """The same scenario on SQLite and on PostgreSQL."""
    places = [prepared(tmp_path_factory.mktemp("place"), database) for database in ("", postgres.new_database())]
    return [asyncio.run(_scenario(place)) for place in places]


def test_every_statement_was_run(both: list[list[Seen]]) -> None:
    assert len(STATEMENTS) > 25
    for seen in both:
        assert sorted(STATEMENTS[each] for each in STATEMENTS.keys() - {id(statement) for statement, _ in seen}) == []


def test_every_statement_returned_the_same_rows_on_both_databases(both: list[list[Seen]]) -> None:
    on_sqlite, on_postgresql = ([(STATEMENTS.get(id(each)), rows) for each, rows in seen] for seen in both)
    for sqlite, postgresql in zip(on_sqlite, on_postgresql, strict=True):
        assert sqlite == postgresql


def test_indexes_serve_the_statements_that_run_all_the_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = prepared(tmp_path_factory.mktemp("place"), "")

    async def plans() -> list[str]:
        found = []
        for form in (queries._DUE.sqlite, queries._RUNNING.sqlite, queries._NEXT.batches(["a"])[0][0].sqlite):
            filled = form.sql
            for each in range(filled.count("?")):
                filled = filled.replace("?", "1" if each else "'a'", 1)
            found += [str(row[3]) for row in await sql(place, f"EXPLAIN QUERY PLAN {filled}")]
        return found

    scans = [plan for plan in asyncio.run(plans()) if "job" in plan and "job_queue" not in plan and "job_waiting" not in plan]
    assert scans == []
