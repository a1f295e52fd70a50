"""`entrepot migrate --check`: what would be done, and nothing done."""

from pathlib import Path

import pytest

from entrepot.base.settings import Settings
from entrepot.platform.db import migrate
from support.commands import run
from support.history import options, revision, rows, upgrade, upgrade_to


def listing(place: Settings) -> list[tuple[str, bytes]]:
    return sorted((path.name, path.read_bytes()) for path in Path(place.data).iterdir())


def test_an_empty_database_would_get_everything_and_gets_nothing(place: Settings, profile: str) -> None:
    done = run("migrate", "--check", *options(place))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[0] == "would run 0001_expand_registry"
    assert [line[10:14] for line in done.stdout.splitlines()] == list(migrate.REVISIONS)
    assert listing(place) == []
    if profile == "postgresql":
        assert rows(place, "SELECT to_regclass('alembic_version')::text") == [(None,)]


@pytest.mark.parametrize("start", migrate.REVISIONS)
def test_what_is_missing_is_named_and_the_schema_stays(place: Settings, start: str) -> None:
    upgrade_to(place, start)
    before = listing(place)
    done = run("migrate", "--check", *options(place))
    missing = [each for each in migrate.REVISIONS if each > start]
    assert done.returncode == (1 if missing else 0), done.stderr
    said = done.stdout.splitlines()
    assert [line[10:14] for line in said] == missing if missing else said == ["the schema is up to date"]
    assert (listing(place), revision(place)) == (before, start)


def test_a_newer_database_is_refused(place: Settings) -> None:
    upgrade(place)
    rows(place, "UPDATE alembic_version SET version_num = '0999'")
    done = run("migrate", "--check", *options(place))
    assert (done.returncode, done.stdout) == (1, "")
    assert "of schema 0999" in done.stderr


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = run("migrate", "--check", "--data", str(tmp_path / "none"))
    assert (done.returncode, done.stderr) == (1, "")
    assert not (tmp_path / "none").exists()
