"""Commands that are given a data folder or a database which is not one of this release: they refuse and make nothing."""

from pathlib import Path
from typing import Final

import pytest

from entrepot import __version__
from entrepot.base.settings import Settings
from entrepot.platform.db import migrate
from support.commands import run
from support.history import options, rows, upgrade_to
from support.parts import FILE

COMMANDS: Final = (("tag", "history", "a/b:v1"), ("storage", "leftovers"))
NEWEST: Final = migrate.REVISIONS[-1]
pytestmark = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def refused(command: tuple[str, ...], place: Settings) -> str:
    """Run the command, which must end with one sentence, and return that."""
    done = run(*command, *options(place))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("entrepot: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def place(tmp_path: Path, database_url: str) -> Settings:
    """A data folder with its database as `entrepot migrate` leaves them."""
    made = Settings(data=str(tmp_path / "data"), database=database_url)
    assert run("migrate", *options(made)).returncode == 0
    return made


@pytest.mark.parametrize("name", ["none", "other"])
def test_a_folder_without_a_registry_is_named_and_stays_as_it_is(
    command: tuple[str, ...], name: str, place: Settings, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    said = refused(command, Settings(data=str(tmp_path / name), database=place.database))
    assert f"the data folder {tmp_path / name} holds no registry: name the right one with --data" in said
    assert "entrepot migrate" in said
    assert {path.name for path in tmp_path.iterdir()} == {"data", "other"}
    assert not list(other.iterdir())


def test_a_folder_that_is_none_is_refused(command: tuple[str, ...]) -> None:
    assert "the data folder /dev/null holds no registry" in refused(command, Settings(data="/dev/null"))


def test_a_database_that_was_never_migrated_is_refused_and_stays_empty(command: tuple[str, ...], place: Settings) -> None:
    if place.database:
        rows(place, "DROP SCHEMA public CASCADE")
        rows(place, "CREATE SCHEMA public")
    else:
        (Path(place.data) / FILE).unlink()
    said = refused(command, place)
    assert f"is of schema none; this is Entrepot {__version__}, which needs schema {NEWEST}" in said
    assert "with `entrepot migrate` or `entrepot serve`" in said
    if place.database:
        assert place.database.rpartition("@")[2] in said
        assert rows(place, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    else:
        assert place.data in said
        assert {path.name for path in Path(place.data).iterdir()} == {"blobs", "secret.key", "uploads", f"{FILE}-migration"}


def test_a_database_of_an_earlier_release_is_refused_and_stays_so(
    command: tuple[str, ...], tmp_path: Path, database_url: str
) -> None:
    earlier = Settings(data=str(tmp_path / "data"), database=database_url)
    for folder in ("uploads", "blobs"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    upgrade_to(earlier, migrate.REVISIONS[-2])
    assert f"is of schema {migrate.REVISIONS[-2]};" in refused(command, earlier)
    assert rows(earlier, "SELECT version_num FROM alembic_version") == [(migrate.REVISIONS[-2],)]


def test_a_database_of_a_later_release_is_refused(command: tuple[str, ...], place: Settings) -> None:
    rows(place, "UPDATE alembic_version SET version_num = '0999'")
    rows(place, "INSERT INTO schema_release (revision, release) VALUES ('0999', '7.3.1')")
    assert "start Entrepot 7.3.1 or newer" in refused(command, place)


def test_a_database_that_is_none_is_refused_with_the_reason(command: tuple[str, ...], place: Settings) -> None:
    if place.database:
        rows(place, "DROP TABLE alembic_version")
        rows(place, "CREATE TABLE alembic_version (something_else TEXT)")
    else:
        for file in Path(place.data).glob(f"{FILE}*"):
            file.unlink()
        (Path(place.data) / FILE).write_bytes(b"no database at all " * 100)
    said = refused(command, place)
    assert "cannot be reached: " in said
    assert ("version_num" if place.database else "file is not a database") in said
