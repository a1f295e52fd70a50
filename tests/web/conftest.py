"""What the tests of the web surfaces share."""

import pytest

from support.http import Client
from support.wire import Repository


@pytest.fixture
def repo(client: Client, repository: str) -> Repository:
    """A repository that no other test uses, on the shared instance."""
    return Repository(client, repository)
