"""From every earlier schema to the newest; interrupted, begun several times at once, and meeting a newer database."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.model import ANYONE
from entrepot.platform.db import migrate
from entrepot.platform.db.migrate import DatabaseTooNew, MigrationFailed
from entrepot.spec.oci.digest import Digest
from entrepot.spec.oci.names import RepositoryName
from support.history import options, revision, rows, upgrade, upgrade_to
from support.parts import FILE, parts, push_blob
from support.processes import free_port
from support.schemas import Schema, schema
from support.sources import Sources, run_command, start_command

NEWEST: Final = migrate.REVISIONS[-1]
FOLLOWING: Final = f"{int(NEWEST) + 1:04}"
FILLING: Final = (
    "INSERT INTO namespace (id, name, kind, created_at) VALUES (1, 'team', 'organisation', 1)",
    "INSERT INTO repository (id, namespace, name, visibility, created_at) VALUES (1, 1, 'team/one', 'public', 1)",
    "INSERT INTO blob (id, digest, size, storage_key, created_at) VALUES (1, 'sha256:00', 1, 'blobs/sha256/00/00.1', 1)",
    "INSERT INTO repository_blob (repository, blob, touched_at) VALUES (1, 1, 1)",
    "INSERT INTO tag_move (id, repository, name, to_digest, actor, moved_at) VALUES (1, 1, 'v1', 'sha256:00', 'anyone', 1)",
)
# A migration that writes, then does what the test wants in its middle, then writes again.
MIDDLE: Final = """\
\"\"\"Written by a test.\"\"\"

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("halfway", sa.Column("name", sa.Text))
    op.add_column("namespace", sa.Column("halfway", sa.Text))
    op.execute("UPDATE namespace SET kind = 'changed'")
    {middle}
    op.create_table("whole", sa.Column("name", sa.Text))
"""


def with_following(folder: Path, middle: str) -> Sources:
    """Copy the sources and give them one more migration."""
    folder.mkdir()
    sources = Sources(folder)
    sources.change("platform/db/migrate.py", f'"{NEWEST}",', f'"{NEWEST}", "{FOLLOWING}",')
    code = MIDDLE.format(revision=FOLLOWING, before=NEWEST, middle=middle)
    sources.add(f"platform/db/migrations/versions/{FOLLOWING}_expand_test.py", code)
    return sources


def filled(place: Settings) -> Schema:
    """Bring the database to the newest schema, with rows, and return the schema."""
    upgrade(place)
    (Path(place.data) / "blobs").mkdir(exist_ok=True)  # a start is refused when rows name blobs and there is no such folder
    for statement in FILLING:
        rows(place, statement)
    return schema(place)


def kinds(place: Settings) -> list[object]:
    return [row[0] for row in rows(place, "SELECT kind FROM namespace")]


def test_an_empty_database_gets_every_revision_once(place: Settings) -> None:
    assert upgrade(place) == list(migrate.REVISIONS)
    assert revision(place) == NEWEST
    assert upgrade(place) == []
    assert [row[0] for row in rows(place, "SELECT revision FROM schema_release ORDER BY 1")] == list(migrate.REVISIONS)


@pytest.mark.parametrize("start", migrate.REVISIONS[:-1])
def test_rows_of_every_earlier_schema_come_along_and_can_be_used(place: Settings, start: str, tmp_path: Path) -> None:
    upgrade_to(place, start)
    assert revision(place) == start
    for statement in FILLING:
        rows(place, statement)
    assert upgrade(place) == list(migrate.REVISIONS[migrate.REVISIONS.index(start) + 1 :])
    fresh = Settings(data=str(tmp_path))
    if not place.database:
        upgrade(fresh)
        assert schema(place) == schema(fresh)

    async def used() -> None:
        async with parts(place) as whole:
            await push_blob(whole, "team/two", b"works")
            assert await whole.registry.blobs.find(ANYONE, RepositoryName.parse("team/one"), _digest()) is not None

    rows(place, "UPDATE blob SET digest = $1", str(_digest()))
    rows(place, "SELECT setval('blob_id_seq', 10), setval('repository_id_seq', 10)") if place.database else None
    asyncio.run(used())


def _digest() -> Digest:
    return Digest.of(b"from before")


def test_before_an_upgrade_sqlite_is_kept_beside_as_it_was(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path))
    start = migrate.REVISIONS[-2]
    upgrade_to(place, start)
    for statement in FILLING:
        rows(place, statement)
    upgrade(place)
    copy = tmp_path / f"{FILE}.before-{start}-upgrade"
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (start,)
        assert connection.execute("SELECT name FROM repository").fetchall() == [("team/one",)]
    assert not list(tmp_path.glob("*.partial"))


def test_a_fresh_or_current_database_is_not_copied(tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path))
    upgrade(place)
    upgrade(place)
    assert not list(tmp_path.glob("*upgrade*"))


def test_a_migration_that_fails_half_way_leaves_no_trace_and_can_be_tried_again(place: Settings, tmp_path: Path) -> None:
    before = filled(place)
    broken = with_following(tmp_path / "broken", 'op.execute("SELECT * FROM no_such_table")')
    done = broken.run("migrate", *options(place))
    assert done.returncode == 1
    assert f"could not be migrated to schema {FOLLOWING}" in done.stdout
    assert f"still of schema {NEWEST}" in done.stdout
    assert "Traceback" not in done.stdout
    assert (schema(place), revision(place), kinds(place)) == (before, NEWEST, ["organisation"])
    assert upgrade(place) == []
    mended = with_following(tmp_path / "mended", "pass")
    assert mended.run("migrate", *options(place)).returncode == 0
    assert (revision(place), kinds(place)) == (FOLLOWING, ["changed"])
    assert {"halfway", "whole"} <= schema(place).keys()


def test_a_migration_that_is_killed_leaves_no_trace_and_can_be_tried_again(place: Settings, tmp_path: Path) -> None:
    before = filled(place)
    reached = tmp_path / "reached"
    slow = with_following(tmp_path / "slow", f'Path("{reached}").touch(); time.sleep(60)')
    child = slow.start("migrate", *options(place))
    try:
        while not reached.exists():
            assert child.poll() is None, child.stdout.read() if child.stdout else ""
            os.sched_yield()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert upgrade(place) == []
    assert (schema(place), revision(place), kinds(place)) == (before, NEWEST, ["organisation"])
    mended = with_following(tmp_path / "mended", "pass")
    assert mended.run("migrate", *options(place)).returncode == 0
    assert (revision(place), kinds(place)) == (FOLLOWING, ["changed"])


NOTING: Final = '    connection.execute(_NOTE, {"revision": step.up_revision_id, "release": __version__})\n'


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_kill_while_the_release_is_noted_leaves_no_revision_without_it(place: Settings, tmp_path: Path, *, first: bool) -> None:
    before = filled(place)
    killed = with_following(tmp_path / "killed", "pass")
    end = "    __import__('os')._exit(9)\n"
    killed.change("platform/db/migrations/env.py", NOTING, end + NOTING if first else NOTING + end)
    assert killed.run("migrate", *options(place)).returncode == 9
    assert (schema(place), revision(place), kinds(place)) == (before, NEWEST, ["organisation"])
    assert rows(place, "SELECT count(*) FROM schema_release") == [(len(migrate.REVISIONS),)]


def test_a_release_that_cannot_be_noted_undoes_its_revision(place: Settings) -> None:
    start = migrate.REVISIONS[-2]
    upgrade_to(place, start)
    rows(place, "DROP TABLE schema_release")
    before = schema(place)
    with pytest.raises(MigrationFailed, match=f"still of schema {start}"):
        upgrade(place)
    assert (schema(place), revision(place)) == (before, start)


def test_a_newer_database_is_refused_with_the_release_that_can_read_it(place: Settings) -> None:
    upgrade(place)
    rows(place, "UPDATE alembic_version SET version_num = '0999'")
    rows(place, "INSERT INTO schema_release (revision, release) VALUES ('0999', '7.3.1')")
    with pytest.raises(DatabaseTooNew) as refused:
        upgrade(place)
    assert (refused.value.facts["release"], refused.value.facts["revision"]) == ("7.3.1", "0999")
    done = run_command("serve", *options(place), "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "start Entrepot 7.3.1 or newer" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_newer_database_that_does_not_say_its_release_is_refused_too(place: Settings) -> None:
    upgrade(place)
    rows(place, "UPDATE alembic_version SET version_num = '0999'")
    rows(place, "DELETE FROM schema_release")
    with pytest.raises(DatabaseTooNew, match="of a later version"):
        upgrade(place)


def test_several_processes_that_start_at_once_migrate_once(place: Settings) -> None:
    children = [start_command("migrate", *options(place)) for _ in range(4)]
    said = [child.communicate(timeout=120)[0].strip().splitlines()[-1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, said
    assert sorted(said) == [f"migrated to schema {NEWEST}", *["the schema is up to date"] * 3]
    assert rows(place, "SELECT count(*) FROM schema_release") == [(len(migrate.REVISIONS),)]
