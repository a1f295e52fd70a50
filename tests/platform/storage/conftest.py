"""A store of each kind, and a second driver on the same store as another process has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.platform.storage.driver import StorageDriver
from support.stores import KINDS, opened


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for stores; making one takes longer than most tests, so they share it and each finds it empty."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def driver(kind: str, place: Path) -> Iterator[StorageDriver]:
    for left in place.rglob("*.*"):
        left.unlink()
    for left in (place / "uploads").glob("*"):
        left.unlink()
    with opened(kind, place) as driver:
        yield driver


@pytest.fixture
def twin(kind: str, place: Path, driver: StorageDriver) -> Iterator[StorageDriver]:
    assert driver is not None
    with opened(kind, place) as twin:
        yield twin
