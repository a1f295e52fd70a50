"""What processes remember for one another: found by all, for a while, and never after it was forgotten."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.db.recent import Note, Recent, now

LIMIT: Final = 1 << 20
LIMIT_S: Final = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "recent"


@pytest.fixture
def recent(folder: Path) -> Iterator[Recent]:
    made = Recent(folder, keep_s=600, limit_bytes=LIMIT)
    yield made
    made.close()


@pytest.fixture
def other(folder: Path) -> Iterator[Recent]:
    """What another process has."""
    made = Recent(folder, keep_s=600, limit_bytes=LIMIT)
    yield made
    made.close()


def until_found(recent: Recent, key: str) -> bytes:
    end = time.monotonic() + LIMIT_S
    while (found := recent.find(key)) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def test_what_one_notes_all_find(recent: Recent, other: Recent) -> None:
    assert other.find("a") is None
    recent.note(Note("a", now(), b"one"))
    recent.note(Note("b", now(), b"two"))
    assert (until_found(other, "b"), other.find("a"), recent.find("a")) == (b"two", b"one", b"one")


def test_what_waits_is_written_at_the_end(folder: Path, other: Recent) -> None:
    recent = Recent(folder, keep_s=600, limit_bytes=LIMIT)
    recent.note(Note("a", now(), b"one"))
    recent.close()
    assert other.find("a") == b"one"


def test_what_is_forgotten_does_not_come_back_from_one_who_read_it_before(recent: Recent, other: Recent) -> None:
    read_at = now()
    recent.note(Note("a", read_at, b"one"))
    until_found(other, "a")
    other.forget("a")
    assert recent.find("a") is None
    recent.note(Note("a", read_at, b"one"))
    recent.note(Note("b", read_at, b"two"))
    until_found(other, "b")
    assert other.find("a") is None
    recent.note(Note("a", now(), b"pushed again"))
    assert until_found(other, "a") == b"pushed again"


def test_what_is_to_be_forgotten_soon_goes_for_all_and_does_not_come_back(recent: Recent, other: Recent) -> None:
    read_at = now()
    recent.note(Note("a", read_at, b"one"))
    until_found(other, "a")
    other.note(Note("a", now(), None))
    end = time.monotonic() + LIMIT_S
    while recent.find("a") is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    recent.note(Note("a", read_at, b"one"))
    recent.note(Note("b", now(), b"two"))
    until_found(other, "b")
    assert other.find("a") is None


def test_a_note_that_comes_very_late_is_dropped(recent: Recent) -> None:
    recent.note(Note("late", now() - 61, b"one"))
    recent.note(Note("b", now(), b"two"))
    until_found(recent, "b")
    assert recent.find("late") is None


def test_what_was_thrown_away_does_not_come_back_from_one_who_read_it_before(folder: Path, recent: Recent, other: Recent) -> None:
    read_at = now()
    recent.note(Note("a", read_at, b"one"))
    until_found(other, "a")
    with closing(sqlite3.connect(folder / "notes.db", isolation_level=None)) as hanging:
        hanging.execute("BEGIN IMMEDIATE")
        recent.forget("a")
    other.note(Note("a", read_at, b"one"))
    time.sleep(0.5)
    other.note(Note("b", now(), b"two"))
    until_found(recent, "b")
    assert recent.find("a") is None


@pytest.mark.parametrize("value", [500_000_000, "text", 1.5])
def test_what_is_no_value_is_not_found(folder: Path, recent: Recent, value: object) -> None:
    recent.note(Note("a", now(), b"one"))
    until_found(recent, "a")
    with closing(sqlite3.connect(folder / "notes.db")) as connection, connection:
        connection.execute("UPDATE note SET value = ?", (value,))
    assert recent.find("a") is None


def test_a_file_of_an_older_release_is_begun_anew(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / "notes.db")) as connection, connection:
        connection.execute("CREATE TABLE machine (boot TEXT NOT NULL)")
    with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as recent:
        assert recent.find("a") is None
        recent.note(Note("a", now(), b"one"))
        time.sleep(1)
        recent.note(Note("a", now(), b"one"))
        assert until_found(recent, "a") == b"one"


def test_what_is_old_is_not_found(folder: Path) -> None:
    with closing(Recent(folder, keep_s=5, limit_bytes=LIMIT)) as recent:
        recent.note(Note("old", now() - 6, b"one"))
        recent.note(Note("new", now(), b"two"))
        until_found(recent, "new")
        assert recent.find("old") is None


def test_an_older_note_does_not_replace_a_newer_one(recent: Recent) -> None:
    at = now()
    recent.note(Note("a", at, b"newer"))
    recent.note(Note("a", at - 1, b"older"))
    recent.note(Note("b", at, b""))
    until_found(recent, "b")
    assert recent.find("a") == b"newer"


def test_it_takes_no_more_than_its_limit_and_what_came_last_is_kept(folder: Path) -> None:
    for number in range(12):
        with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as recent:
            recent.note(Note(f"key {number}", now(), os.urandom(LIMIT // 4)))
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2 * LIMIT + 4096
    with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as recent:
        found = [number for number in range(12) if recent.find(f"key {number}") is not None]
    assert 11 in found
    assert found == list(range(found[0], 12))


def test_what_a_power_cut_damaged_is_begun_anew(folder: Path) -> None:
    with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as recent:
        recent.note(Note("a", now(), b"one"))
    (folder / "notes.db").write_bytes(b"This is not a database. " * 1000)
    with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as recent:
        assert recent.find("a") is None
        recent.note(Note("b", now(), b"two"))
        time.sleep(1)
        recent.note(Note("c", now(), b"three"))
        assert until_found(recent, "c") == b"three"
    assert [file.name for file in folder.parent.iterdir()] == ["recent"]


def test_what_cannot_be_forgotten_alone_is_forgotten_with_all_else(folder: Path, recent: Recent, other: Recent) -> None:
    recent.note(Note("a", now(), b"one"))
    until_found(other, "a")
    with closing(sqlite3.connect(folder / "notes.db", isolation_level=None)) as hanging:
        hanging.execute("BEGIN IMMEDIATE")
        recent.forget("a")
        assert (recent.find("a"), other.find("a")) == (None, None)
    other.note(Note("b", now(), b"two"))
    assert until_found(recent, "b") == b"two"


def test_where_its_disk_is_away_nothing_is_made_in_its_place(tmp_path: Path) -> None:
    recent = Recent(tmp_path / "cache" / "recent", keep_s=600, limit_bytes=LIMIT)
    recent.note(Note("a", now(), b"one"))
    recent.forget("a")
    recent.close()
    assert recent.find("a") is None
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file in its place")
    recent = Recent(tmp_path / "cache" / "recent", keep_s=600, limit_bytes=LIMIT)
    recent.note(Note("a", now(), b"one"))
    recent.forget("a")
    recent.close()
    assert recent.find("a") is None


def test_what_is_from_before_the_machine_was_started_is_not_found(folder: Path, recent: Recent) -> None:
    recent.note(Note("a", now(), b"one"))
    recent.close()
    with closing(sqlite3.connect(folder / "notes.db")) as connection, connection:
        connection.execute("UPDATE machine SET boot = 'an earlier one'")
    with closing(Recent(folder, keep_s=600, limit_bytes=LIMIT)) as later:
        assert later.find("a") is None
        later.note(Note("a", now(), b"two"))
        assert until_found(later, "a") == b"two"


def test_more_than_the_disk_takes_is_not_kept_in_memory(recent: Recent) -> None:
    for number in range(100):
        recent.note(Note(f"key {number}", now(), bytes(1 << 20)))
    assert recent._put_bytes - recent._taken_bytes < 10 << 20
