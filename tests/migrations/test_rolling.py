"""An upgrade without a stop: nodes of the last release serve on while the first node of this one migrates and serves beside them.

They are on one PostgreSQL and, as on one machine, on one data folder.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot import __version__
from entrepot.base.settings import Settings
from entrepot.platform.db import migrate
from support.commands import place, run
from support.history import revision
from support.instance import Instance
from support.postgres import Cluster
from support.processes import free_port
from support.pushers import Ledger, Pusher, pull_every_tag
from support.released import released
from support.sources import run_command
from support.wire import Repository, digest_of

BEFORE: Final = "7d88ee9e554b"  # the last state of 0.1.0
BEFORE_SCHEMA: Final = "0005"
PUSHING_S: Final = 2.0
Serve = Callable[..., Instance]


@pytest.fixture(scope="module")
def old_release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return released(BEFORE, tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def both(
    postgres: Cluster, old_release: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Instance, Instance]]:
    """A node of the last release, and one of this release that was started beside it."""
    folder, database = tmp_path_factory.mktemp("nodes"), postgres.new_database()
    data = folder / "data"
    with (
        Instance(data, database=database, environment=old_release, log=folder / "old.log") as old,
        Instance(data, database=database, log=folder / "new.log") as new,
    ):
        yield old, new


@pytest.fixture
def old(both: tuple[Instance, Instance]) -> Instance:
    return both[0]


@pytest.fixture
def new(both: tuple[Instance, Instance]) -> Instance:
    return both[1]


def schema(database: str) -> str:
    return revision(Settings(data="", database=database))


def version_of(node: Instance) -> str:
    page = node.client().get("/metrics").content.decode()
    return page.partition('entrepot_build_info{version="')[2].partition('"')[0]


def jobs(node: Instance) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(run("job", "list", "--json", *place(node)).stdout)
    return listed


def test_clients_push_on_through_an_old_node_while_a_new_one_migrates_and_serves_beside_it(
    serve: Serve, postgres: Cluster, old_release: dict[str, str], tmp_path: Path
) -> None:
    ledger, database = Ledger(), postgres.new_database()
    old = serve(database=database, environment=old_release, log=tmp_path / "old.log")
    assert schema(database) == BEFORE_SCHEMA
    pushers = [Pusher(old.url, ledger, number, seed=number) for number in range(2)]
    for pusher in pushers:
        pusher.start()
    time.sleep(PUSHING_S)
    new = serve(database=database, log=tmp_path / "new.log")
    pushers += [Pusher(new.url, ledger, number, seed=number) for number in range(2, 4)]
    for pusher in pushers[2:]:
        pusher.start()
    time.sleep(PUSHING_S)
    ended = [pusher.name for pusher in pushers if not pusher.is_alive()]
    for pusher in pushers:
        pusher.stop.set()
    for pusher in pushers:
        pusher.join(60)
    assert (ended, [pusher.error for pusher in pushers if pusher.error]) == ([], []), "a client was refused, or cut off"
    assert (version_of(old), version_of(new)) == ("0.1.0", __version__)
    assert schema(database) == migrate.REVISIONS[-1]
    pulled = {pull_every_tag(node.client()) for node in (old, new)}
    assert len(pulled) == 1
    old.stop()
    ledger.check(new.client(), ledger.blobs, ledger.manifests)
    assert len(ledger.manifests) > len(pushers)


def test_what_one_pushes_the_other_serves_at_once(old: Instance, new: Instance) -> None:
    here, there = Repository(old.client(), "demo/hello"), Repository(new.client(), "demo/hello")
    for turn in range(20):
        pusher, puller = (here, there) if turn % 2 else (there, here)
        pushed = pusher.image("latest", seed=f"turn {turn}")
        pulled = puller.client.get(puller.at("manifests/latest"))
        assert (pulled.status, pulled.content) == (200, pushed)
        assert puller.has_blob(digest_of(f"layer turn {turn}".encode()))
        assert puller.client.delete(puller.at("manifests/latest")).status == 202
        assert pusher.client.get(pusher.at("manifests/latest")).status == 404


@pytest.mark.parametrize("begun_by", ["old", "new"])
def test_an_upload_hops_between_them_at_every_request(old: Instance, new: Instance, begun_by: str) -> None:
    nodes = [old.client(), new.client()] if begun_by == "old" else [new.client(), old.client()]
    content = random.Random(3).randbytes(400_000)
    location = Repository(nodes[0], "demo/hops").begin()
    for turn, first in enumerate(range(0, len(content), 100_000), 1):
        answer = nodes[turn % 2].patch(location, body=content[first : first + 100_000])
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{first + 99_999}")
    last = nodes[1]
    assert last.put(f"{location}?digest={digest_of(content)}").status == 201
    assert all(node.get(f"/v2/demo/hops/blobs/{digest_of(content)}").content == content for node in nodes)


def test_a_background_job_is_done_whichever_release_has_it(old: Instance, new: Instance) -> None:
    """Each of them runs a job process; both take from one table."""
    repo = Repository(new.client(), "demo/deleted")
    digest = repo.blob(b"nobody needs it")["digest"]
    assert repo.client.delete(repo.at(f"blobs/{digest}")).status == 202
    end = time.monotonic() + 30
    while any(job["state"] in ("ready", "running") for job in jobs(new)):
        assert time.monotonic() < end, jobs(new)
        time.sleep(0.2)
    assert [job for job in jobs(new) if job["state"] != "done"] == []
    assert old.client().get("/readyz").status == 200


def test_an_old_node_that_is_started_after_the_migration_is_refused_and_told_which_release_can(
    new: Instance, old_release: dict[str, str]
) -> None:
    words = ["serve", "--data", str(new.data), "--database", new.database, "--listen", f"127.0.0.1:{free_port()}"]
    done = run_command(*words, environment=old_release)
    assert done.returncode == 1
    assert f"start Entrepot {__version__} or newer" in done.stdout
    assert new.client().get("/readyz").status == 200
