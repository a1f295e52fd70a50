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
from support.nodes import Nodes
from support.postgres import Cluster
from support.s3 import Bucket, S3Server
from support.s3 import served as s3_served
from support.tools import PROXY_REFUSED

PROFILES: Final = ("sqlite", "postgresql")
CLUSTER: Final = "cluster"
# What a cluster could answer differently from one node is tried on it in `make test-long`; tests marked `cluster` always.
_ON_CLUSTER: Final = ("clients", "conformance", "domain", "web")
_TESTS: Final = Path(__file__).parent
_numbers = itertools.count(1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a profile on both databases, and where it matters on the cluster profile."""
    if "profile" not in metafunc.fixturenames:
        return
    profiles: list[object] = list(PROFILES)
    folder = Path(str(metafunc.module.__file__)).relative_to(_TESTS).parts[0]
    if folder in _ON_CLUSTER and metafunc.definition.get_closest_marker("single") is None:
        always = metafunc.definition.get_closest_marker("cluster") is not None
        profiles.append(pytest.param(CLUSTER, marks=() if always else pytest.mark.long))
    metafunc.parametrize("profile", profiles, indirect=True, scope="module")


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    """Undo what a command that ran in this process did to the rights of new files: servers of other users could not be run."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A throw-away PostgreSQL, one for each test process, started when the first test needs it."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server, one for each test process, started when the first test needs it."""
    with s3_served() as server:
        yield server


@pytest.fixture(scope="module")
def profile(request: pytest.FixtureRequest) -> str:
    """What the test runs on: one node on either database, or a cluster; `pytest_generate_tests` gives all that fit."""
    return str(request.param)


@pytest.fixture
def database_url(profile: str, request: pytest.FixtureRequest) -> str:
    """The `--database` setting for an empty database of the test's own; empty means SQLite in the data folder."""
    return new_database(profile, request)


@pytest.fixture(scope="module")
def hub(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance | Nodes]:
    """An instance, or on the cluster profile two nodes behind a balancer, that all tests of a module share."""
    with served(profile, request, tmp_path_factory.mktemp("hub")) as instance:
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


def served(profile: str, request: pytest.FixtureRequest, folder: Path, **settings: object) -> Instance | Nodes:
    """Serve an empty registry on this profile."""
    database = new_database(profile, request)
    if profile == CLUSTER:
        bucket = new_bucket(request)
        settings |= {"storage": bucket.url(), "environment": bucket.environment}
        return Nodes(folder, database, **settings)  # type: ignore[arg-type]  # they are the nodes' own
    return Instance(folder / "data", database=database, **settings)  # type: ignore[arg-type]  # they are the instance's own


def new_bucket(request: pytest.FixtureRequest) -> Bucket:
    """Return a place of a bucket that nothing was ever kept at."""
    server: S3Server = request.getfixturevalue("s3")
    return server.new_bucket()


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
