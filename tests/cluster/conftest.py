"""Two nodes on one PostgreSQL and one bucket, behind a balancer that sends each request to one of them by chance."""

from collections.abc import Iterator

import pytest

from support.nodes import Nodes
from support.postgres import Cluster
from support.s3 import S3Server


@pytest.fixture(scope="module")
def nodes(postgres: Cluster, s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes that all tests of a module share."""
    bucket = s3.new_bucket()
    folder = tmp_path_factory.mktemp("nodes")
    with Nodes(folder, postgres.new_database(), storage=bucket.url(), environment=bucket.environment) as both:
        yield both
