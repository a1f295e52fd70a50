"""Nodes on machines of their own are killed, cut off, or lost while clients push and pull: what was acknowledged is there.

The namespaces stand for machines (tests/support/namespaces.py). A cut is silent, as that of a real cable is: no connection
breaks, and what the other side still holds for the lost one is given back only when its time is over.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from support.counts import examples
from support.disasters import Disasters
from support.faulty import Faulty
from support.namespaces import machines
from support.nodes import Nodes
from support.postgres import Cluster
from support.s3 import S3Server

DISASTERS: Final = examples(3, 200)


@pytest.fixture
def far_apart(tmp_path: Path, s3: S3Server) -> Iterator[Nodes]:
    """Two nodes, each on a machine of its own, on a PostgreSQL and a bucket that both reach."""
    bucket = s3.new_bucket()
    with ExitStack() as stack:
        made = stack.enter_context(machines(2))
        cluster = Cluster(*(each.here for each in made))
        stack.callback(cluster.remove)
        for machine in made:
            # The store listens on loopback only; a proxy without a fault takes its calls on the cable.
            stack.enter_context(Faulty(("127.0.0.1", s3.port), machine.here, s3.port))
        own = {"storage": bucket.url(), "environment": bucket.environment, "machines": made}
        yield stack.enter_context(Nodes(tmp_path, cluster.new_database(), **own, log_level="info"))  # type: ignore[arg-type]


def test_whatever_happens_to_a_node_nothing_acknowledged_is_lost_and_clients_that_retry_succeed(far_apart: Nodes) -> None:
    disasters = Disasters(far_apart)
    disasters.happen(DISASTERS)
    print(dict(disasters.done))  # noqa: T201 - the figures of docs/testing.md
    assert min(disasters.done[each] for each in ("killed", "cut off", "lost", "pushed", "pulled")) > 0
