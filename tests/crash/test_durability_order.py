"""Before the bytes of a 201 leave, the blob's file, its name and the database's log are on the disk, in this order.

The checker is tried on what was recorded with each of the steps taken out, and in the long tier on a copy of the product that
leaves the step out.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.http import Client
from support.instance import surroundings
from support.postgres import Cluster
from support.processes import Server, descendants, free_port
from support.sources import Sources
from support.tools import missing, program
from support.traces import OPTIONS, Event, push_problems, read

LOGS: Final = {"sqlite": "entrepot.db-wal", "postgresql": "/pg_wal/"}
CONTENTS: Final = {"small": b"a small blob", "large": bytes(range(256)) * 20_000}
# What a careless change would leave out: in the sources, what it is replaced by, and what the checker must say.
CARELESS: Final = {
    "file": ("platform/storage/held.py", "            os.fsync(file)\n", "", "file was not synced"),
    "name": ("platform/storage/held.py", "self._path.rename(blob)", "os.link(self._path, blob)", "not renamed"),
    "folder": ("platform/storage/held.py", "        os.fsync(folder)\n", "        pass\n", "folder was not synced"),
    "log": ("", "", "", "log was not synced"),
}
CARELESS_LOG: Final = {
    "sqlite": ("platform/db/sqlite.py", 'level = "FULL" if', 'level = "OFF" if'),
    "postgresql": ("platform/db/postgresql.py", "if not durable:", "if durable:"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this module's own, whose processes are traced."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def trace(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Event]]:
    """Push one blob and one manifest to an instance under strace and return what happened."""

    def recorded(content: bytes, environment: dict[str, str] | None = None) -> list[Event]:
        cluster: Cluster | None = request.getfixturevalue("cluster") if profile == "postgresql" else None
        folder = tmp_path_factory.mktemp("trace")
        return push_under_strace(folder, content, cluster, environment or surroundings())

    return recorded


def push_under_strace(folder: Path, content: bytes, cluster: Cluster | None, environment: dict[str, str]) -> list[Event]:
    """Serve under strace, with PostgreSQL's processes if there is one, push, and read what strace wrote."""
    port, database, attached = free_port(), [], []
    if cluster is not None:
        database = ["--database", cluster.new_database()]
        main = cluster._server.process.pid
        attached = [word for pid in (main, *descendants(main)) for word in ("-p", str(pid))]
    settings = ["--listen", f"127.0.0.1:{port}", "--workers", "1", "--shutdown-delay", "0", *database]
    serve = [sys.executable, "-m", "entrepot", "serve", "--data", str(folder / "data"), *settings]
    strace = [str(program("strace").path), *OPTIONS, "-o", str(folder / "strace"), *attached, *serve]
    server = Server(strace, log=folder / "log", environment=environment, ends_by="INT")
    if os.geteuid() != 0 and attached:
        missing("only root may trace processes that it did not start itself")
    client = Client(f"http://127.0.0.1:{port}")
    try:
        server.wait_until(lambda: _is_ready(client), 60)
        blob = images.blob(images.LAYER, content)
        images.push_blob(client, "trace/one", blob)
        images.push_manifest(client, "trace/one", _manifest_of(blob), "v1")
        time.sleep(0.2)  # strace writes an event down after it has happened
    finally:
        server.kill()
    return read(folder / "strace")


def _manifest_of(blob: images.Blob) -> images.Blob:
    # Its only blob is the one that was pushed, so that there are two answers of 201 in all.
    body = {"schemaVersion": 2, "mediaType": images.MANIFEST, "config": blob.descriptor, "layers": []}
    return images.blob(images.MANIFEST, images._json(body))


def _is_ready(client: Client) -> bool:
    try:
        return client.get("/readyz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="module", params=list(CONTENTS))
def happened(request: pytest.FixtureRequest, trace: Callable[..., list[Event]]) -> list[Event]:
    return trace(CONTENTS[request.param])


def test_all_is_synced_before_a_push_is_acknowledged(happened: list[Event], profile: str) -> None:
    assert push_problems(happened, LOGS[profile]) == []


@pytest.mark.parametrize("step", CARELESS)
def test_with_one_step_taken_out_of_the_record_the_check_fails(happened: list[Event], profile: str, step: str) -> None:
    (rename,) = [each for each in happened if each.kind == "rename" and "/blobs/" in each.target]
    taken: Callable[[Event], bool] = {
        "file": lambda each: each == Event("sync", rename.path),
        "name": lambda each: each == rename,
        "folder": lambda each: each == Event("sync", rename.target.rpartition("/")[0]),
        "log": lambda each: each.kind == "sync" and LOGS[profile] in each.path,
    }[step]
    found = push_problems([each for each in happened if not taken(each)], LOGS[profile])
    assert any(CARELESS[step][3] in problem for problem in found), found


def test_a_step_after_the_answer_does_not_count(happened: list[Event], profile: str) -> None:
    first = next(place for place, each in enumerate(happened) if each.kind == "answer")
    assert push_problems([happened[first], *happened[:first], *happened[first + 1 :]], LOGS[profile]) != []


@pytest.mark.long
@pytest.mark.parametrize("step", CARELESS)
def test_a_product_that_leaves_one_step_out_is_noticed(
    trace: Callable[..., list[Event]], profile: str, step: str, tmp_path: Path
) -> None:
    sources = Sources(tmp_path)
    path, before, after = CARELESS[step][:3] if step != "log" else CARELESS_LOG[profile]
    sources.change(path, before, after)
    if step == "file":
        # A file is also synced when its upload's progress is recorded.
        sources.change(path, "            os.fdatasync(self._file)\n", "            pass\n")
    found = push_problems(trace(CONTENTS["small"], sources.environment()), LOGS[profile])
    assert any(CARELESS[step][3] in problem for problem in found), found
