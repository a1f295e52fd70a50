"""Killed at any moment of concurrent pushes, the registry has all that it acknowledged and serves nothing half-written."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from support.counts import examples
from support.history import options, rows
from support.instance import Instance
from support.postgres import Cluster
from support.pushers import Ledger, Pusher, pull_every_tag
from support.sources import run_command

KILLS: Final = examples(20, 1000)
POSTGRESQL_KILLS: Final = examples(3, 30)
CLIENTS: Final = 4
LONGEST_S: Final = 0.7
_OLD_ONES: Final = 40


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_served(
    serve: Callable[..., Instance], database_url: str
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance, ledger = random.Random(seed), Ledger()
    instance = serve(database=database_url, workers=2, log_level="info")
    for _ in range(KILLS):
        seen = set(ledger.blobs), set(ledger.manifests)
        push_for(instance, ledger, chance, instance.kill)
        instance.restart()
        old = chance.sample(sorted(seen[0]), min(_OLD_ONES, len(seen[0])))
        ledger.check(instance.client(), (ledger.blobs - seen[0]) | set(old), ledger.manifests - seen[1])
    ledger.check(instance.client(), ledger.blobs, ledger.manifests)
    assert pull_every_tag(instance.client()) >= len([each for each in ledger.tags.values() if each[0]])
    assert len(ledger.blobs) > KILLS
    assert ledger.resumed > 0
    place = Settings(data=str(instance.data), database=database_url)
    assert accounted(place) == files(instance.data)


def push_for(instance: Instance, ledger: Ledger, chance: random.Random, end: Callable[[], object]) -> None:
    """Push by several clients for a moment, then end the server under them."""
    pushers = [Pusher(instance.url, ledger, number, chance.getrandbits(32)) for number in range(CLIENTS)]
    for pusher in pushers:
        pusher.start()
    time.sleep(chance.uniform(0, LONGEST_S))
    end()
    for pusher in pushers:
        pusher.stop.set()
    for pusher in pushers:
        pusher.join(30)
        assert not pusher.is_alive(), "a client waits for ever"
        if pusher.error is not None:
            raise pusher.error


def files(data: Path) -> set[str]:
    """Return all files of the store."""
    return {
        str(path.relative_to(data)) for folder in ("blobs", "uploads") for path in (data / folder).rglob("*") if path.is_file()
    }


def accounted(place: Settings) -> set[str]:
    """Return the files that belong to a blob, to an upload, or are reported as left over; no file may be two of these."""
    there = files(Path(place.data))
    done = run_command("storage", "leftovers", "--json", *options(place))
    assert done.returncode == 0, done.stdout
    reported = {str(each["key"]) for each in json.loads(done.stdout)}
    keys = {str(row[0]) for row in rows(place, "SELECT storage_key FROM blob")}
    handles = {str(row[0]) for row in rows(place, "SELECT handle FROM upload")}
    of_uploads = {path for path in there if path.rpartition("/")[2].rpartition(".")[2] in handles}
    assert keys <= there, "a blob's row names a file that is not there"
    assert not reported & (keys | of_uploads)
    return keys | of_uploads | reported


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that may be killed: that of the other tests must not be."""
    cluster = Cluster()
    yield cluster
    cluster.remove()


def test_nothing_acknowledged_is_lost_when_postgresql_is_killed(serve: Callable[..., Instance], cluster: Cluster) -> None:
    chance, ledger = random.Random(2), Ledger()
    instance = serve(database=cluster.new_database(), log_level="info")
    for _ in range(POSTGRESQL_KILLS):
        push_for(instance, ledger, chance, cluster.kill)
        assert instance.client().get("/readyz").status == 503
        assert instance.client().get("/healthz").status == 200
        cluster.start()
        until_ready(instance)
        ledger.check(instance.client(), ledger.blobs, ledger.manifests)
    assert pull_every_tag(instance.client()) > 0


def until_ready(instance: Instance) -> None:
    end = time.monotonic() + 30
    while instance.client().get("/readyz").status != 200:
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.05)
