"""`entrepot mode` beside a served instance: what is refused, what goes on, and what waits."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from entrepot.base.settings import Settings
from support.commands import place, run
from support.history import rows
from support.http import Answer, Client
from support.instance import Instance
from support.modes import change
from support.parts import prepared
from support.postgres import Cluster
from support.schemas import schema
from support.wire import Repository, digest_of

REASON: Final = "moving to the new machine"
LAYER: Final = digest_of(b"layer ")
NEW: Final = b"brought while it is read-only"
_LIMIT_S: Final = 20.0


def settings_of(hub: Instance) -> Settings:
    return Settings(data=str(hub.data), database=hub.database)


def mode(hub: Instance, *words: str) -> dict[str, Any]:
    """Run the command and return what it says."""
    done = run("mode", *words, "--json", *place(hub))
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture
def read_only(hub: Instance, client: Client, repository: str) -> Iterator[tuple[Repository, str]]:
    """A repository with an image and an unfinished upload, of a registry that was made read-only since."""
    repo = Repository(client, repository)
    repo.image("v1")
    location = repo.begin()
    assert client.patch(location, body=b"so far").status == 202
    change(settings_of(hub), read_only=True, reason=REASON)
    yield repo, location
    change(settings_of(hub), read_only=False)


# What a client may ask for that changes something: with the repository and the address of the unfinished upload.
WRITES: Final[dict[str, Callable[[Repository, str], Answer]]] = {
    "begin": lambda repo, _: repo.client.post(repo.at("blobs/uploads/")),
    "whole": lambda repo, _: repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(NEW)}"), body=NEW),
    "mount": lambda repo, _: repo.client.post(f"/v2/elsewhere/x/blobs/uploads/?mount={LAYER}&from={repo.name}"),
    "append": lambda repo, location: repo.client.patch(location, body=b"more"),
    "finish": lambda repo, location: repo.finish(location, digest_of(b"so far")),
    "cancel": lambda repo, location: repo.client.delete(location),
    "manifest": lambda repo, _: repo.put("v2", tagged(repo).content),
    "untag": lambda repo, _: repo.client.delete(repo.at("manifests/v1")),
    "delete": lambda repo, _: repo.client.delete(repo.at(f"manifests/{tagged(repo).headers['Docker-Content-Digest']}")),
    "delete blob": lambda repo, _: repo.client.delete(repo.at(f"blobs/{LAYER}")),
}


def tagged(repo: Repository) -> Answer:
    answer = repo.client.get(repo.at("manifests/v1"))
    assert answer.status == 200, answer
    return answer


def everything(hub: Instance) -> dict[str, list[tuple[object, ...]]]:
    """Return all that the database holds but jobs, which belong to no client."""
    settings = settings_of(hub)
    kept = [name for name in schema(settings) if not name.startswith("job")]
    return {name: sorted(rows(settings, f"SELECT * FROM {name}"), key=repr) for name in kept}  # noqa: S608 - names of tables


def test_while_the_bucket_is_away_the_mode_can_be_changed_and_jobs_be_looked_at(postgres: Cluster, tmp_path: Path) -> None:
    made = prepared(tmp_path / "data", postgres.new_database())
    bucket = "s3://registry/images?endpoint=http://127.0.0.1:1"
    options = ("--data", made.data, "--database", made.database, "--storage", bucket)
    assert run("mode", "read-only", *options).stdout.startswith("read-only")
    done = run("job", "list", *options)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("write", WRITES)
def test_what_changes_something_is_refused_with_the_reason(hub: Instance, read_only: tuple[Repository, str], write: str) -> None:
    before = everything(hub)
    answer = WRITES[write](*read_only)
    assert (answer.status, answer.error_code) == (405, "UNSUPPORTED")
    assert f"read-only at the moment ({REASON})" in answer.json["errors"][0]["message"]
    assert (answer.headers["Retry-After"], answer.headers["Allow"]) == ("60", "GET, HEAD")
    assert everything(hub) == before


def test_pulls_and_questions_go_on_and_write_nothing(hub: Instance, read_only: tuple[Repository, str]) -> None:
    repo, location = read_only
    settings = settings_of(hub)
    rows(settings, "UPDATE repository_blob SET touched_at = 1")  # so that HEAD would note it anew
    before = everything(hub)
    assert tagged(repo).status == 200
    assert repo.client.get(repo.at(f"blobs/{LAYER}")).content == b"layer "
    assert repo.has_blob(LAYER)
    assert repo.tags() == ["v1"]
    assert repo.client.get(location).headers["Range"] == "0-5"
    assert everything(hub) == before


def test_an_upload_goes_on_where_it_was_when_the_mode_is_normal_again(hub: Instance, read_only: tuple[Repository, str]) -> None:
    repo, location = read_only
    assert repo.client.patch(location, body=b"refused").status == 405
    change(settings_of(hub), read_only=False)
    assert repo.client.patch(location, body=b", and on").status == 202
    whole = b"so far, and on"
    assert repo.finish(location, digest_of(whole)).status == 201
    assert repo.client.get(repo.at(f"blobs/{digest_of(whole)}")).content == whole


def test_probes_and_metrics_tell_the_mode(hub: Instance, client: Client) -> None:
    assert b"\nentrepot_read_only 0\n" in client.get("/metrics").content
    mode(hub, "read-only", "--reason", REASON)
    assert b"\nentrepot_read_only 1\n" in client.get("/metrics").content
    ready = client.get("/readyz")
    assert (ready.status, ready.content) == (200, b"ready\nread-only\n"), "a balancer sends pulls on"
    mode(hub, "normal")
    assert client.get("/readyz").content == b"ready\n"


@pytest.mark.usefixtures("read_only")
def test_jobs_wait_until_the_mode_is_normal_again(hub: Instance) -> None:
    settings = settings_of(hub)
    due = "UPDATE job_schedule SET slot = 0 WHERE name = 'expire-uploads'"
    made = "SELECT count(*) FROM job WHERE kind LIKE '%expire%'"
    rows(settings, due)
    before = rows(settings, made)
    time.sleep(2.5)  # two looks of the job process
    assert rows(settings, made) == before
    assert rows(settings, "SELECT count(*) FROM job WHERE state = 'running'") == [(0,)]
    change(settings_of(hub), read_only=False)
    end = time.monotonic() + _LIMIT_S
    while rows(settings, made) == before:
        assert time.monotonic() < end, "no job was made"
        time.sleep(0.05)


@pytest.mark.usefixtures("read_only")
def test_the_mode_is_shown_with_its_reason_and_since_when(hub: Instance) -> None:
    said = run("mode", *place(hub))
    assert said.returncode == 0
    assert said.stdout.startswith("read-only  since 20")
    assert said.stdout.endswith(f"  {REASON}\n")
    now = mode(hub)
    assert (now["read_only"], now["reason"]) == (True, REASON)
    assert mode(hub, "normal")["changed_at"] > now["changed_at"]
    assert run("mode", *place(hub)).stdout.startswith("normal  since 20")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["readonly"], "expected one of read-only, normal"),
        (["normal", "--reason", "x"], "--reason goes with read-only"),
        (["read-only", "--reason", "x" * 201], "at most 200 characters"),
        (["read-only", "--reason", "two\nlines"], "one line"),
    ],
)
def test_what_is_no_mode_is_wrong_use(tmp_path: Path, words: list[str], says: str) -> None:
    done = run("mode", *words, "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_folder_without_a_registry_has_no_mode(tmp_path: Path) -> None:
    done = run("mode", "read-only", "--data", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no registry" in done.stderr
    assert not (tmp_path / "none").exists()
