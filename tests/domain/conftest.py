"""A prepared place for a module's tests, on each profile."""

import itertools
from collections.abc import Iterator

import pytest

from conftest import CLUSTER, new_bucket, new_database
from entrepot.base.settings import Settings
from support.parts import prepared


@pytest.fixture(scope="module")
def place(profile: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a data folder, or of a bucket, and a database of the newest schema."""
    folder, database = tmp_path_factory.mktemp("place") / "data", new_database(profile, request)
    with pytest.MonkeyPatch.context() as changed:
        storage = ""
        if profile == CLUSTER:
            bucket = new_bucket(request)
            storage = bucket.url()
            for name, value in bucket.environment.items():
                changed.setenv(name, value)
        yield prepared(folder, database, storage)


@pytest.fixture(scope="module")
def number() -> Iterator[int]:
    """Numbers that make content and names unique within a module."""
    return itertools.count(1)
