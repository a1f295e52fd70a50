"""Two nodes on one PostgreSQL, behind a balancer that sends each request to one of them by chance."""

from collections.abc import Iterator

import pytest

from support.nodes import Nodes
from support.postgres import Cluster


@pytest.fixture(scope="module")
def nodes(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes that all tests of a module share."""
    with Nodes(tmp_path_factory.mktemp("nodes"), postgres.new_database()) as both:
        yield both
