"""A store of each kind, and a second driver on the same store as another process has it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.platform.storage.driver import StorageDriver
from support.s3 import S3Server
from support.stores import KINDS, opened


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.fast if kind == "filesystem" else ()) for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for stores; making one takes longer than most tests, so they share it and each finds it empty."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def where(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a store of this kind is, empty."""
    if kind == "s3":
        server: S3Server = request.getfixturevalue("s3")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        return server.new_bucket().url()
    place: Path = request.getfixturevalue("place")
    for left in place.rglob("*.*"):
        left.unlink()
    for left in (place / "uploads").glob("*"):
        left.unlink()
    return str(place)


@pytest.fixture
def driver(kind: str, where: str) -> Iterator[StorageDriver]:
    with opened(kind, where) as driver:
        yield driver


@pytest.fixture
def twin(kind: str, where: str, driver: StorageDriver) -> Iterator[StorageDriver]:
    assert driver is not None
    with opened(kind, where) as twin:
        yield twin
