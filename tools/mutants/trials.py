"""Trying one fault: a copy of the project with the fault in it, and the tests from the nearest to the farthest."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tools.mutants.faults import Fault

PROJECT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = Path("src/entrepot")
_NOT_COPIED: Final = {".git", ".venv", ".test-results", "data", "dist"}
_NEAR: Final = ("spec", "domain", "platform", "web")
_FAR: Final = ("tests/web", "tests/domain", "tests/platform", "tests/migrations")
# What the other database could notice: elsewhere it runs the same code with the same rows.
_OF_DATABASES: Final = ("/domain/", "/platform/db/")
_NO_TESTS: Final = 5
_PYTEST: Final = ("-m", "pytest", "-q", "-x", "--tb=no", "--no-header", "-p", "no:cacheprovider", "-p", "no:randomly")
_NEAR_LIMIT_S: Final = 180.0
_FAR_LIMIT_S: Final = 900.0
_END_LIMIT_S: Final = 20.0


@dataclass(frozen=True)
class Stage:
    """Some tests: pytest's words for them, and how long they may take before that alone is a fault noticed."""

    name: str
    words: tuple[str, ...]
    limit_s: float


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: the stage that noticed it, or none; `detail` is the failed test."""

    noticed_by: str
    detail: str
    took_s: float


def stages(path: str) -> list[Stage]:
    """List the stages for a fault in this file, the likeliest to notice it first."""
    found = []
    near = nearest(path)
    if near:
        one_database = () if "postgresql" in path else ("-k", "not postgresql")
        found.append(Stage("nearest", (*near, "-m", "not long", *one_database), _NEAR_LIMIT_S))
    found.append(Stage("fast", ("tests", "-m", "fast", "--ignore=tests/tools"), _NEAR_LIMIT_S))
    there = tuple(part for part in _FAR if (PROJECT / part).is_dir())
    found.append(Stage("on SQLite", (*there, "-m", "not long", "-k", "not postgresql"), _FAR_LIMIT_S))
    if any(part in path for part in _OF_DATABASES):
        found.append(Stage("on PostgreSQL", (*there, "-m", "not long", "-k", "postgresql"), _FAR_LIMIT_S))
    return found


def nearest(path: str) -> list[str]:
    """Return the test files of the same name as a file, wherever they are, or else those of its folder."""
    mirrored = Path("tests") / Path(path).relative_to(SOURCES)
    near = [each.relative_to(PROJECT) for part in _NEAR for each in (PROJECT / "tests" / part).rglob(f"test_{mirrored.stem}*.py")]
    folders = [mirrored.with_suffix(""), mirrored.parent, mirrored.parent.parent]
    if not near:
        near = next(([each] for each in folders if (PROJECT / each).is_dir() and each != Path("tests")), [])
    return sorted(str(each) for each in near)


class Copy:
    """A copy of the project in which faults are planted one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for source in PROJECT.iterdir():
            if source.name in _NOT_COPIED or source.name.endswith("_cache"):
                continue
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy2(source, folder / source.name)

    def sound(self) -> str:
        """Run all stages without a fault; return what failed, nothing if all is well."""
        for stage in stages(f"{SOURCES}/platform/db/database.py")[1:]:
            failed, detail = self._fails(stage)
            if failed:
                return f"{stage.name}: {detail}"
        return ""

    def try_(self, fault: Fault) -> Outcome:
        """Plant the fault, run the stages until one notices, and take it out again."""
        file, begun = self.folder / fault.path, time.monotonic()
        text = (PROJECT / fault.path).read_text("utf-8")
        file.write_text(fault.plant(text), "utf-8")
        try:
            for stage in stages(fault.path):
                failed, detail = self._fails(stage)
                if failed:
                    return Outcome(stage.name, detail, round(time.monotonic() - begun, 1))
        finally:
            file.write_text(text, "utf-8")
        return Outcome("", "", round(time.monotonic() - begun, 1))

    def _fails(self, stage: Stage) -> tuple[bool, str]:
        search = f"{self.folder / 'src'}{os.pathsep}{self.folder / 'tests'}"
        environment = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1"}
        child = subprocess.Popen(
            # Told to end when this run is broken off: nobody else would.
            ["setpriv", "--pdeathsig", "TERM", sys.executable, *_PYTEST, f"--basetemp={self.folder / 'temporary'}", *stage.words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=stage.limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGTERM)
            try:
                child.communicate(timeout=_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
            return True, f"no end within {stage.limit_s:.0f} s"
        return child.returncode not in (0, _NO_TESTS), _reason(output)


def _reason(output: str) -> str:
    lines = output.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return (failed or lines[-1:] or [""])[0][:200]


def as_row(fault: Fault, outcome: Outcome) -> dict[str, Any]:
    """Return both as values for JSON."""
    return {"fault": asdict(fault), "outcome": asdict(outcome)}
