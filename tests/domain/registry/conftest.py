"""A prepared place for a module's tests, on each database."""

import itertools
from collections.abc import Iterator

import pytest

from conftest import new_database
from entrepot.base.settings import Settings
from support.parts import prepared


@pytest.fixture(scope="module")
def place(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a data folder and a database of the newest schema."""
    return prepared(tmp_path_factory.mktemp("place"), new_database(profile, request))


@pytest.fixture(scope="module")
def number() -> Iterator[int]:
    """Numbers that make content and names unique within a module."""
    return itertools.count(1)
