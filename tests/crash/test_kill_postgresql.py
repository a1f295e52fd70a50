"""What `test_kill.py` shows, on PostgreSQL; and the same when PostgreSQL is killed."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from support.counts import examples
from support.instance import Instance
from support.killing import kill_again_and_again, push_for
from support.postgres import Cluster
from support.pushers import Ledger, pull_every_tag

KILLS: Final = examples(20, 1000)
POSTGRESQL_KILLS: Final = examples(3, 30)


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_served(
    serve: Callable[..., Instance], postgres: Cluster
) -> None:
    kill_again_and_again(serve(database=postgres.new_database(), workers=2, log_level="info"), KILLS)


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
        assert instance.client().get("/readyz").content.startswith(b"degraded")
        assert instance.client().get("/healthz").status == 200
        cluster.start()
        until_ready(instance)
        ledger.check(instance.client(), ledger.blobs, ledger.manifests)
    assert pull_every_tag(instance.client()) > 0


def until_ready(instance: Instance) -> None:
    end = time.monotonic() + 30
    while instance.client().get("/readyz").content != b"ready\n":
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.05)
