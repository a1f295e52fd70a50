"""`entrepot job`: looking at jobs, cancelling, retrying and dropping them, beside a running server."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from entrepot.base.settings import Settings
from support.commands import run
from support.history import options
from support.jobs import Call, put
from support.parts import opened, sql


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    made = Settings(data=str(tmp_path / "data"), database=database_url)
    assert run("migrate", *options(made)).returncode == 0
    return made


def made(place: Settings, state: str = "ready") -> int:
    """Make a job in this state."""

    async def scenario() -> int:
        async with opened(place) as db:
            id_ = await put(db, Call("hello"))
        ended = "NULL" if state in ("ready", "running") else "run_at"
        await sql(place, f"UPDATE job SET state = $1, attempt = 3, finished_at = {ended} WHERE id = $2", state, id_)  # noqa: S608
        return id_

    return asyncio.run(scenario())


def job(place: Settings, *words: object, code: int = 0) -> Any:
    """Run `entrepot job …` and return what it printed."""
    where = ["--data", place.data, *(["--database", place.database] if place.database else [])]
    done = run("job", *map(str, words), *where)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else json.loads(done.stdout) if "--json" in words else done.stdout


def test_jobs_are_listed_newest_first_and_by_state(place: Settings) -> None:
    first, second, third = made(place), made(place, "failed"), made(place)
    assert [each["id"] for each in job(place, "list", "--json")] == [third, second, first]
    assert [each["id"] for each in job(place, "list", "--json", "--limit", 1)] == [third]
    (failed,) = job(place, "list", "--state", "failed", "--json")
    assert failed["id"] == second
    assert failed["arguments"] == {"word": "hello"}
    line = job(place, "list", "--state", "failed")
    assert line.split()[:2] == [str(second), "failed"]
    assert line.split()[3:] == ["3/3", "tests.call"]


def test_a_job_is_shown_with_all_about_it(place: Settings) -> None:
    id_ = made(place)
    shown = job(place, "show", id_, "--json")
    assert (shown["kind"], shown["queue"], shown["state"]) == ("tests.call", "calls", "ready")
    text = dict(line.split(maxsplit=1) for line in job(place, "show", id_).splitlines())
    assert text["state"] == "ready"
    assert text["arguments"] == '{"word": "hello"}'
    assert text["created_at"].endswith("+00:00")


def test_a_waiting_job_is_cancelled_retried_and_dropped(place: Settings) -> None:
    id_ = made(place)
    assert job(place, "cancel", id_, "--json")["state"] == "cancelled"
    again = job(place, "retry", id_, "--json")
    assert (again["state"], again["attempt"], again["finished_at"]) == ("ready", 0, None)
    job(place, "cancel", id_)
    assert job(place, "drop", id_) == f"job {id_} is dropped\n"
    assert job(place, "list", "--json") == []


def test_a_failed_job_can_be_retried_or_dropped_and_a_running_one_only_cancelled(place: Settings) -> None:
    failed, running = made(place, "failed"), made(place, "running")
    assert job(place, "retry", failed, "--json")["state"] == "ready"
    assert f"job {running} is running: cancel it before it is dropped" in job(place, "drop", running, code=1)
    assert f"job {running} is running: only one that failed" in job(place, "retry", running, code=1)
    asked = job(place, "cancel", running, "--json")
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)


@pytest.mark.parametrize("verb", ["show", "cancel", "retry", "drop"])
def test_a_job_that_is_not_there_is_refused(place: Settings, verb: str) -> None:
    assert job(place, verb, 77, code=1) == "entrepot: there is no job 77: `entrepot job list` shows those that there are\n"


def test_what_has_ended_cannot_be_cancelled(place: Settings) -> None:
    id_ = made(place, "done")
    assert f"job {id_} is done: only one that waits or runs can be cancelled" in job(place, "cancel", id_, code=1)
    assert f"job {id_} is done: only one that failed or was cancelled" in job(place, "retry", id_, code=1)


def test_an_unknown_state_is_wrong_use(place: Settings) -> None:
    said = job(place, "list", "--state", "dead", code=2)
    assert said == "entrepot: --state is 'dead': expected one of ready, running, done, failed, cancelled\n"
