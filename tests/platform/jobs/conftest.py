"""A database of the newest schema, with the table of effects."""

import asyncio
from pathlib import Path

import pytest

from entrepot.base.settings import Settings
from support.jobs import make_effects
from support.parts import prepared


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    found = prepared(tmp_path / "data", database_url)
    asyncio.run(make_effects(found))
    return found
