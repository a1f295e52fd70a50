"""Before the bytes of a 201 leave, the blob's file, its name and the database's log are on the disk, in this order.

The checker is tried on what was recorded with each of the steps taken out, and in the long tier on a copy of the product that
leaves the step out.
"""

import os
import subprocess
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
from support.traces import OPTIONS, Event, blob_problems, chunk_problems, log_problems, push_problems, read

LOGS: Final = {"sqlite": "entrepot.db-wal", "postgresql": "/pg_wal/"}
CONTENTS: Final = {"small": b"a small blob", "large": bytes(range(256)) * 20_000}
# What a careless change would leave out: in the sources, what it is replaced by, and what the checker must say.
CARELESS: Final = {
    "file": ("platform/storage/held.py", "            os.fsync(file)\n", "", "file was not synced"),
    "name": ("platform/storage/held.py", "self._path.rename(blob)", "os.link(self._path, blob)", "not renamed"),
    "folder": ("platform/disk/folders.py", "        os.fsync(folder)\n", "        pass\n", "folder was not synced"),
    "log": ("", "", "", "log was not synced"),
}
# The same for an upload in several requests.
CARELESS_CHUNK: Final = {
    "file": ("            os.fdatasync(self._file)\n", "            pass\n", "file was not synced"),
    "name": ("            sync_folder(self._path.parent)\n", "            pass\n", "synced [0, 0] times"),
    "again": ("self._fresh = make\n", "self._fresh = True\n", "synced [1, 1] times"),
}
CARELESS_LOG: Final = {
    "sqlite": ("platform/db/sqlite.py", 'level = "FULL" if', 'level = "OFF" if'),
    "postgresql": ("platform/db/postgresql.py", "_of_each if durable else", "_of_each if not durable else"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this module's own, whose processes are traced."""
    cluster = Cluster()
    # Else its own writer now and then syncs in time what a commit left unsynced.
    cluster.query("ALTER SYSTEM SET wal_writer_delay = '10s'")
    cluster.query("SELECT pg_reload_conf()")
    yield cluster
    cluster.remove()


Push = Callable[[Client], None]


def whole(content: bytes) -> Push:
    """Return a push of one blob in one go, and of one manifest that names it."""
    blob = images.blob(images.LAYER, content)

    def push(client: Client) -> None:
        images.push_blob(client, "trace/one", blob)
        images.push_manifest(client, "trace/one", _manifest_of(blob), "v1")

    return push


def chunked(client: Client) -> None:
    """Push one blob in two requests, and end it with a third."""
    place = client.post("/v2/trace/one/blobs/uploads/").headers["Location"]
    for part in (b"one", b"two"):
        answer = client.patch(place, body=part)
        assert answer.status == 202
        place = answer.headers["Location"]
    mark = "&" if "?" in place else "?"
    assert client.put(f"{place}{mark}digest={images.sha256(b'onetwo')}").status == 201


def again(client: Client) -> None:
    """Push the same blob to two repositories."""
    for repository in ("trace/one", "trace/two"):
        images.push_blob(client, repository, images.blob(images.LAYER, CONTENTS["large"]))


@pytest.fixture(scope="module")
def trace(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Event]]:
    """Push to an instance under strace and return what happened."""

    def recorded(push: Push, environment: dict[str, str] | None = None) -> list[Event]:
        cluster: Cluster | None = request.getfixturevalue("cluster") if profile == "postgresql" else None
        folder = tmp_path_factory.mktemp("trace")
        return push_under_strace(folder, push, cluster, environment or surroundings())

    return recorded


def push_under_strace(folder: Path, push: Push, cluster: Cluster | None, environment: dict[str, str]) -> list[Event]:
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
        push(client)
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
    return trace(whole(CONTENTS[request.param]))


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


@pytest.fixture(scope="module")
def in_chunks(trace: Callable[..., list[Event]]) -> list[Event]:
    return trace(chunked)


def test_an_upload_s_file_and_name_are_synced_before_a_part_of_it_is_acknowledged(in_chunks: list[Event], profile: str) -> None:
    assert chunk_problems(in_chunks, LOGS[profile]) == []


def test_an_upload_in_one_request_does_not_wait_for_a_name_that_it_gives_up(happened: list[Event]) -> None:
    accepted = next(place for place, each in enumerate(happened) if each.kind == "accepted")
    assert [each for each in happened[accepted:] if each.kind == "sync" and each.path.endswith("/uploads")] == []


def test_bytes_that_are_there_already_are_not_synced_again_but_the_log_is(
    trace: Callable[..., list[Event]], profile: str
) -> None:
    happened = trace(again)
    first, second = (place for place, each in enumerate(happened) if each.kind == "answer")
    accepted = [place for place, each in enumerate(happened) if each.kind == "accepted"][1]
    assert blob_problems(happened[:first], LOGS[profile]) == []
    assert log_problems(happened[accepted:second], LOGS[profile]) == []
    assert [each for each in happened[accepted:second] if "/blobs/" in each.path or "/uploads" in each.path] == []


@pytest.mark.parametrize("step", ["file", "name"])
def test_with_one_step_taken_out_of_the_record_of_parts_the_check_fails(in_chunks: list[Event], profile: str, step: str) -> None:
    taken = {"file": "/uploads/", "name": "/uploads"}[step]
    left = [each for each in in_chunks if not (taken in each.path if step == "file" else each.path.endswith(taken))]
    found = chunk_problems(left, LOGS[profile])
    assert any(CARELESS_CHUNK[step][2] in problem for problem in found), found


@pytest.mark.long
@pytest.mark.parametrize("step", CARELESS_CHUNK)
def test_a_product_that_leaves_one_step_out_of_a_part_is_noticed(
    trace: Callable[..., list[Event]], profile: str, step: str, tmp_path: Path
) -> None:
    sources = Sources(tmp_path)
    before, after, problem = CARELESS_CHUNK[step]
    sources.change("platform/storage/held.py", before, after)
    found = chunk_problems(trace(chunked, sources.environment()), LOGS[profile])
    assert any(problem in each for each in found), found


def test_the_folders_are_synced_at_each_start_by_whomever_they_were_made(tmp_path: Path) -> None:
    data = tmp_path / "above" / "data"
    expected = {tmp_path, data.parent, data, data / "blobs", data / "blobs/sha256", data / "blobs/sha512"}
    for found in (expected, expected - {tmp_path}):
        log = tmp_path / "strace"
        strace = [str(program("strace").path), *OPTIONS, "-o", str(log), sys.executable, "-m", "entrepot", "migrate"]
        subprocess.run([*strace, "--data", str(data)], env=surroundings(), check=True, capture_output=True)
        assert {Event("sync", str(path)) for path in found} <= set(read(log))


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
    found = push_problems(trace(whole(CONTENTS["small"]), sources.environment()), LOGS[profile])
    assert any(CARELESS[step][3] in problem for problem in found), found
