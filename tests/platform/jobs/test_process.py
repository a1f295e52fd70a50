"""Real job processes: killed in the middle of a job, told to end, and beside a served instance."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.base.settings import Settings
from support import job_process
from support.instance import Instance
from support.jobs import LAST, Steps, effects, put, run_out, states, until, until_state
from support.parts import opened, sql
from support.processes import children_named, descendants
from support.sources import run_command, start_command
from support.wire import Repository

NAME = "entrepot-jobs"
READER = "entrepot-reads"


def test_a_killed_process_s_job_goes_on_where_it_was(place: Settings) -> None:
    first = job_process.start(place, "first", pause_s=0.3)

    async def three_steps() -> int:
        async with opened(place) as db:
            made = await put(db, Steps(6))

            async def so() -> bool:
                return len((await effects(place)).get(made, [])) >= 3

            await until(so)
            return made

    made = asyncio.run(three_steps())
    assert job_process.end(first, signal.SIGKILL) == -signal.SIGKILL
    second = job_process.start(place, "second")
    try:
        time.sleep(0.5)
        assert asyncio.run(states(place)) == {made: "running"}, "the lease still holds"
        asyncio.run(run_out(place))
        asyncio.run(until_state(place, "done", [made]))
    finally:
        assert job_process.end(second, signal.SIGTERM) == 0
    assert asyncio.run(effects(place)) == {made: [1, 2, 3, 4, 5, 6, LAST]}
    doers = [row[0] for row in asyncio.run(sql(place, "SELECT doer FROM effect ORDER BY step"))]
    assert doers == ["first"] * doers.count("first") + ["second"] * doers.count("second")
    assert 3 <= doers.count("first") < 7


def test_a_process_that_is_told_to_end_gives_its_job_back_and_another_goes_on_at_once(place: Settings) -> None:
    async def begun() -> int:
        async with opened(place) as db:
            made = await put(db, Steps(40))
            await until_state(place, "running", [made])
            return made

    first = job_process.start(place, "first", pause_s=0.4)
    made = asyncio.run(begun())
    second = job_process.start(place, "second")
    try:
        asked = time.monotonic()
        assert job_process.end(first, signal.SIGTERM) == 0
        took_s = time.monotonic() - asked
        asyncio.run(until_state(place, "done", [made], 3))
    finally:
        job_process.end(second, signal.SIGTERM)
    assert 4 < took_s < 9, "running jobs get five seconds"
    assert asyncio.run(effects(place)) == {made: [*range(1, 41), LAST]}


def job_processes(instance: Instance) -> list[int]:
    """Return the job processes of a served instance."""
    return [pid for pid in descendants(instance.pid) if _name(pid) == NAME]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
    except OSError:
        return ""


def wait_for(true: Callable[[], object], limit_s: float = 15.0) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_serve_runs_one_job_process_of_low_priority_and_replaces_it_when_it_is_killed(
    serve: Callable[..., Instance], database_url: str
) -> None:
    instance = serve(database=database_url)
    place = Settings(data=str(instance.data), database=database_url)
    wait_for(lambda: len(job_processes(instance)) == 1)
    (first,) = job_processes(instance)
    assert os.getpriority(os.PRIO_PROCESS, first) == 10
    wait_for(lambda: set(asyncio.run(states(place)).values()) == {"done"})
    before = len(asyncio.run(states(place)))
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: set(job_processes(instance)) - {first})
    asyncio.run(sql(place, "UPDATE job_schedule SET slot = 0"))
    wait_for(lambda: list(asyncio.run(states(place)).values()).count("done") > before)
    assert instance.client().get("/readyz").status == 200
    begun = time.monotonic()
    instance.stop()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_reads_for_a_check_ends_with_its_job_process(
    serve: Callable[..., Instance], database_url: str, number: signal.Signals
) -> None:
    instance = serve(database=database_url)
    place = Settings(data=str(instance.data), database=database_url)
    Repository(instance.client(), "team/app").image("v1")
    wait_for(lambda: set(asyncio.run(states(place)).values()) == {"done"})
    asyncio.run(sql(place, "UPDATE job_schedule SET slot = 0"))
    wait_for(lambda: children_named(instance.pid, READER))
    (reader,) = children_named(instance.pid, READER)
    (process,) = job_processes(instance)
    assert children_named(process, READER) == [reader]
    os.kill(process, number)
    wait_for(lambda: _name(reader) != READER)
    instance.stop()


def test_the_job_process_ends_when_its_supervisor_is_killed(serve: Callable[..., Instance]) -> None:
    instance = serve()
    wait_for(lambda: job_processes(instance))
    (process,) = job_processes(instance)
    os.kill(instance.pid, signal.SIGKILL)
    wait_for(lambda: _name(process) != NAME)
    instance.kill()


def test_none_serves_without_a_job_process_and_a_worker_does_the_jobs(serve: Callable[..., Instance], database_url: str) -> None:
    instance = serve(database=database_url, jobs="none")
    place = Settings(data=str(instance.data), database=database_url)
    options = ["--data", place.data, *(["--database", database_url] if database_url else [])]
    time.sleep(0.3)
    assert job_processes(instance) == []
    assert asyncio.run(states(place)) == {}
    worker = start_command("worker", "--jobs", "2", *options)
    try:
        wait_for(lambda: set(asyncio.run(states(place)).values()) == {"done"})
    finally:
        worker.send_signal(signal.SIGTERM)
        output, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize("jobs", ["0", "65", "some"])
def test_a_senseless_number_of_jobs_is_refused(jobs: str) -> None:
    done = run_command("worker", "--jobs", jobs)
    assert done.returncode == 2
    assert done.stdout == f"entrepot: --jobs is '{jobs}': expected a number from 1 to 64, or none\n"
