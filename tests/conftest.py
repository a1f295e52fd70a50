"""Fixtures that every test may use: both databases, served instances, and what a failed or skipped test says at the end."""

import itertools
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from support.http import Client
from support.instance import RUNNING, Instance
from support.postgres import Cluster
from support.s3 import S3Server, served
from support.tools import PROXY_REFUSED

PROFILES: Final = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A throw-away PostgreSQL, one for each test process, started when the first test needs it."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server, one for each test process, started when the first test needs it."""
    with served() as server:
        yield server


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    """The database that the test runs on; every test that asks for it runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(profile: str, request: pytest.FixtureRequest) -> str:
    """The `--database` setting for an empty database of the test's own; empty means SQLite in the data folder."""
    return new_database(profile, request)


@pytest.fixture(scope="module")
def hub(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that all tests of a module share."""
    with Instance(tmp_path_factory.mktemp("hub") / "data", database=new_database(profile, request)) as instance:
        yield instance


@pytest.fixture
def client(hub: Instance) -> Client:
    """An HTTP client for the shared instance."""
    return hub.client()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Start instances of the test's own: `serve(database=…, gc_grace=60)`; those left are stopped at the end."""
    started: list[Instance] = []

    def start(name: str = "data", **settings: object) -> Instance:
        instance = Instance(tmp_path / name, **settings)  # type: ignore[arg-type]  # database is the only typed one
        started.append(instance)
        return instance

    yield start
    for instance in started:
        if instance in RUNNING:
            instance.stop()


@pytest.fixture
def repository() -> str:
    """A repository name that no other test uses."""
    return f"tests/repo-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="entrepot-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def new_database(profile: str, request: pytest.FixtureRequest) -> str:
    """Make an empty database on this profile and return its setting; PostgreSQL is started only if it is asked for."""
    if profile == "sqlite":
        return ""
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.new_database()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the instances that run when a test fails."""
    report = yield
    if report.failed:
        report.sections.extend((f"log of {instance.log}", instance.log_end()) for instance in RUNNING)
    return report


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Count, in the very last line, what was not tested because the Go module proxy did not answer."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reasons = [str(report.longrepr[2]) for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    lacking = [reason.partition(f"{PROXY_REFUSED}: ")[2].split()[0] for reason in reasons if PROXY_REFUSED in reason]
    if lacking:
        reporter.write_line(
            f"{len(lacking)} tests skipped because {PROXY_REFUSED}: {', '.join(sorted(set(lacking)))}", yellow=True
        )
