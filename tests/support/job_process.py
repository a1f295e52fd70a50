"""A job process for tests, which can be killed: `python -m support.job_process DATA DATABASE NAME PAUSE`.

It does `Steps`, waits for PAUSE seconds after each step, and says `working` when it begins to look for jobs.
"""

import asyncio
import os
import subprocess
import sys
from typing import Final

from entrepot.app.parts import Parts
from entrepot.base.settings import Settings
from entrepot.platform.jobs import work
from support.jobs import Steps, engine, stepping
from support.tools import PROJECT

_SEARCH: Final = f"{PROJECT / 'src'}:{PROJECT / 'tests'}"


def start(place: Settings, name: str, pause_s: float = 0.0) -> "subprocess.Popen[str]":
    """Start one and wait until it looks for jobs."""
    words = [sys.executable, "-m", "support.job_process", place.data, place.database, name, str(pause_s)]
    child = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": _SEARCH}, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "working\n"
    return child


def end(child: "subprocess.Popen[str]", number: int) -> int:
    """Send it a signal and return its exit code."""
    child.send_signal(number)
    child.communicate(timeout=30)
    return child.returncode


async def main(data: str, database: str, name: str, pause: str) -> None:
    """Work until told to stop."""
    parts = Parts(Settings(data=data, database=database, access="open"))
    print("working", flush=True)  # noqa: T201 - the parent waits for this line
    await work(parts, engine(parts.db, (Steps, stepping(name, float(pause)))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
