"""A hub with somebody of each kind, and a browser for each of them."""

from collections.abc import Iterator

import pytest

from support.browsers import Browsers, browsers


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsers]:
    """Browsers at a hub inside the test's process; all tests of a module share it."""
    with browsers(tmp_path_factory.mktemp("people") / "data") as found:
        yield found
