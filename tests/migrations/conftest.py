"""A database that nothing was done to yet."""

from pathlib import Path

import pytest

from entrepot.base.settings import Settings


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    data = tmp_path / "data"
    data.mkdir()
    return Settings(data=str(data), database=database_url, access="open")
