"""A database with one small table of the test's own, on both databases."""

from pathlib import Path

import pytest

from entrepot.base.settings import Settings


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    """The settings of an empty database."""
    return Settings(data=str(tmp_path), database=database_url)
