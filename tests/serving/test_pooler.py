"""Nodes that reach their database through PgBouncer in transaction mode."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from support.instance import Instance
from support.poolers import PgBouncer
from support.postgres import Cluster
from support.wire import Repository, digest_of

IMAGES: Final = 24


@pytest.fixture
def pooler(postgres: Cluster) -> Iterator[PgBouncer]:
    with PgBouncer(postgres.port) as pooler:
        yield pooler


def test_nodes_behind_a_pooler_push_pull_and_clean_up(
    serve: Callable[..., Instance], postgres: Cluster, pooler: PgBouncer
) -> None:
    database = pooler.url(postgres.new_database())
    one, other = serve("one", database=database, workers=2), serve("other", database=database, workers=2)
    numbers = range(IMAGES)

    def push(number: int) -> bytes:
        return Repository((one if number % 2 else other).client(), "pooled/many").image(f"v{number}", seed=str(number))

    with ThreadPoolExecutor(8) as pool:
        pushed = list(pool.map(push, numbers))
    repo = Repository(other.client(), "pooled/many")
    assert sorted(repo.tags()) == sorted(f"v{number}" for number in numbers)
    for number in numbers:
        client = (other if number % 2 else one).client()
        assert client.get(repo.at(f"manifests/v{number}")).content == pushed[number]
        assert client.get(repo.at(f"manifests/{digest_of(pushed[number])}")).content == pushed[number]
    assert repo.client.delete(repo.at(f"manifests/{digest_of(pushed[0])}")).status == 202
    assert one.client().get(repo.at("manifests/v0")).status == 404
    end = time.monotonic() + 30
    while "kind=registry.collect" not in one.log.read_text() + other.log.read_text():
        assert time.monotonic() < end, "no job is done"
        time.sleep(0.1)
    for node in (one, other):
        assert " ERROR " not in node.log.read_text()
