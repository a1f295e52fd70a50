"""Nodes on machines of their own are killed, cut off, or lost while clients push and pull: what was acknowledged is there.

The namespaces stand for machines (tests/support/namespaces.py). A cut is silent, as that of a real cable is: no connection
breaks, and what the other side still holds for the lost one is given back only when its time is over.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.counts import examples
from support.disasters import Disasters
from support.namespaces import machines
from support.nodes import Nodes
from support.postgres import Cluster

DISASTERS: Final = examples(4, 200)


@pytest.fixture
def far_apart(tmp_path: Path) -> Iterator[Nodes]:
    """Two nodes, each on a machine of its own, on a PostgreSQL that both reach."""
    with machines(2) as made:
        cluster = Cluster(*(each.here for each in made))
        try:
            with Nodes(tmp_path, cluster.new_database(), machines=made, log_level="info") as nodes:
                yield nodes
        finally:
            cluster.remove()


def test_whatever_happens_to_a_node_nothing_acknowledged_is_lost_and_clients_that_retry_succeed(far_apart: Nodes) -> None:
    disasters = Disasters(far_apart)
    disasters.happen(DISASTERS)
    print(dict(disasters.done))  # noqa: T201 - the figures of docs/testing.md
    assert min(disasters.done[each] for each in ("killed", "cut off", "lost", "pushed", "pulled")) > 0
