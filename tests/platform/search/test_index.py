"""An index on the disk: who writes it, what readers see and when, and that what is broken is made anew."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from entrepot.platform.search.fields import VERSION
from entrepot.platform.search.model import Entry, Order, Place, Wanted, Word
from entrepot.platform.search.reading import IndexAway, Reading
from entrepot.platform.search.writing import Writing, ask_anew, folder_of

PLACE: Final = Place("here", 3, 4, 5, 6)


def entry(id_: int, name: str = "", **more: Any) -> Entry:
    plain = Entry(id_, ("public",), (name,), (name,) if name else (), (), "", "")
    return msgspec.structs.replace(plain, **more)


def wanted(text: str = "", **more: Any) -> Wanted:
    return msgspec.structs.replace(Wanted(words=(Word(text),) if text else (), sight=None), **more)


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    with Writing(tmp_path / "search") as writing:
        assert writing.take()
        yield writing


def found(writing: Writing, text: str = "", **more: Any) -> list[int]:
    """Look as a process does that opens the index now."""
    return sorted(Reading(writing.folder).search(wanted(text, **more)).ids)


def begun(writing: Writing, *entries: Entry) -> None:
    writing.begin_anew()
    writing.add(entries)
    writing.commit(PLACE)


def test_an_entry_that_is_put_stands_in_the_place_of_the_one_before(writing: Writing) -> None:
    begun(writing, entry(1, "old"), entry(2, "kept"))
    writing.put([entry(1, "new"), entry(3, "more")])
    writing.commit(PLACE)
    assert (found(writing, "old"), found(writing, "new"), found(writing)) == ([], [1], [1, 2, 3])


@pytest.mark.parametrize("id_", [1, 127, 1 << 40, (1 << 63) - 1])
def test_what_is_dropped_is_found_no_more(writing: Writing, id_: int) -> None:
    begun(writing, entry(id_, "gone"), entry(2, "kept"))
    writing.drop([id_, 99])
    writing.commit(PLACE)
    assert (found(writing, "gone"), found(writing)) == ([], [2])


def test_what_was_not_committed_is_forgotten(writing: Writing) -> None:
    begun(writing, entry(1, "kept"))
    writing.put([entry(1, "other"), entry(2, "lost")])
    writing.close()
    assert (found(writing), found(writing, "kept"), writing.place()) == ([1], [1], PLACE)


def test_after_a_crash_behind_the_entries_the_place_is_the_one_before(writing: Writing) -> None:
    begun(writing, entry(1, "first"))
    writing.put([entry(2, "second")])
    writing._open().commit()  # the process ends here
    writing.close()
    assert (found(writing), writing.place()) == ([1, 2], PLACE)
    later = msgspec.structs.replace(PLACE, id=9)
    writing.put([entry(2, "second")])  # the same change is followed again
    writing.commit(later)
    assert (found(writing), writing.place()) == ([1, 2], later)


def test_while_an_index_is_made_anew_the_old_one_is_read_and_no_place_is_told(writing: Writing) -> None:
    begun(writing, entry(1, "old"))
    reading = Reading(writing.folder)
    assert reading.search(wanted("old")).ids == [1]
    writing.begin_anew()
    writing.add([entry(number, "new") for number in range(2, 500)])
    assert writing.place() is None
    assert (found(writing, "old"), found(writing, "new")) == ([1], [])
    writing.close()  # the process ends here
    assert found(writing, "old") == [1]
    writing.begin_anew()
    writing.add([entry(2, "new")])
    writing.commit(PLACE)
    assert (found(writing), writing.place()) == ([2], PLACE)


def test_readers_see_what_was_committed_a_second_later(writing: Writing) -> None:
    begun(writing, entry(1, "first"))
    reading = Reading(writing.folder)
    assert reading.count() == 1
    writing.put([entry(2, "second")])
    writing.commit(PLACE)
    limit = time.monotonic() + 5
    while reading.count() == 1 and time.monotonic() < limit:
        time.sleep(0.05)
    assert reading.search(wanted("second")).ids == [2]


def test_folders_of_other_releases_are_thrown_away_when_an_index_is_begun(writing: Writing) -> None:
    older = writing.folder / f"v{VERSION + 1}"
    older.mkdir()
    (older / "meta.json").write_text("{}")
    assert writing.place() is None
    begun(writing, entry(1, "here"))
    assert not older.exists()
    assert found(writing) == [1]


@pytest.mark.parametrize("damage", ["meta", "meta of another form", "place", "segments", "place of another form"])
def test_an_index_that_cannot_be_read_is_made_anew(writing: Writing, damage: str) -> None:
    begun(writing, *(entry(number, f"name{number}") for number in range(50)))
    writing.close()
    entries = folder_of(writing.folder)
    if damage == "segments":
        for each in entries.glob("*.*"):
            if each.name.count(".") == 1 and each.suffix not in (".json", ".lock"):
                each.write_bytes(b"damaged")
        with pytest.raises(IndexAway):
            found(writing)
    else:
        name = "place.json" if "place" in damage else "meta.json"
        (entries / name).write_bytes(b'{"a": 1}' if "form" in damage else b"\0")
    begun(writing, entry(1, "healed"))
    assert (found(writing, "healed"), found(writing), writing.place()) == ([1], [1], PLACE)


def test_a_second_process_does_not_write_until_the_first_has_ended(writing: Writing) -> None:
    with Writing(writing.folder) as second:
        assert not second.take()
        begun(writing, entry(1, "first"))
        writing.__exit__()
        assert second.take()
        second.put([entry(2, "second")])
        second.commit(PLACE)
        assert found(second) == [1, 2]


def test_whoever_asks_for_a_new_index_is_heard_until_one_is_begun(writing: Writing) -> None:
    assert not writing.is_asked_anew()
    ask_anew(writing.folder)
    ask_anew(writing.folder)
    assert [writing.is_asked_anew() for _ in range(2)] == [True, True]
    begun(writing, entry(1))
    assert not writing.is_asked_anew()


def test_without_an_index_readers_say_so_and_find_it_when_it_is_there(tmp_path: Path) -> None:
    reading = Reading(tmp_path)
    with pytest.raises(IndexAway, match="the search index"):
        reading.search(wanted("app"))
    with Writing(tmp_path) as writing:
        assert writing.take()
        begun(writing, entry(1, "app"))
        assert _in_a_moment(reading, "app") == [1]


def _in_a_moment(reading: Reading, text: str) -> list[int]:
    limit = time.monotonic() + 10
    while True:
        try:
            return reading.search(wanted(text)).ids
        except IndexAway:
            assert time.monotonic() < limit
            time.sleep(0.1)


def test_a_reader_whose_index_is_taken_away_says_so(writing: Writing) -> None:
    begun(writing, entry(1, "app"))
    reading = Reading(writing.folder)
    assert reading.count() == 1
    writing.close()
    folder_of(writing.folder).rename(writing.folder / "elsewhere")
    time.sleep(1.1)
    with pytest.raises(IndexAway):
        reading.search(wanted("app"))


def test_entries_are_filtered_and_ordered(writing: Writing) -> None:
    begun(
        writing,
        entry(1, "app", pulls=5, stars=1, updated_at=30, marks=("os:linux", "arch:arm64")),
        entry(2, "app", pulls=9, stars=0, updated_at=10, marks=("os:linux", "arch:amd64"), seen_by=("n7", "r2")),
        entry(3, "app", pulls=1, stars=7, updated_at=20, marks=("os:windows",)),
    )
    reading = Reading(writing.folder)
    asked: list[dict[str, Any]] = [
        {"order": Order.PULLS},
        {"order": Order.STARS},
        {"order": Order.UPDATED},
        {"order": Order.PULLS, "first": 1, "most": 1},
        {"marks": (("os:linux",), ("arch:arm64", "arch:amd64")), "order": Order.PULLS},
        {"marks": (("os:windows", "os:linux"),), "updated_from": 20, "order": Order.UPDATED},
        {"sight": ("public",), "order": Order.PULLS},
        {"sight": ("public", "r2"), "order": Order.PULLS},
        {"sight": ("r2",)},
        {"sight": ("r1",)},
        {"most": 0},
        {"first": 10_000, "most": 5},
    ]
    answers = [reading.search(wanted("app", **each)) for each in asked]
    assert [(each.ids, each.count) for each in answers] == [
        ([2, 1, 3], 3),
        ([3, 1, 2], 3),
        ([1, 3, 2], 3),
        ([1], 3),
        ([2, 1], 2),
        ([1, 3], 2),
        ([1, 3], 2),
        ([2, 1, 3], 3),
        ([2], 1),
        ([], 0),
        ([], 3),
        ([], 3),
    ]


def test_an_entry_that_is_used_more_stands_before_one_that_says_the_same(writing: Writing) -> None:
    begun(writing, entry(1, "app"), entry(2, "app", weight=2.0), entry(3, "app", weight=1.5, exact=("other",)))
    reading = Reading(writing.folder)
    assert reading.search(wanted("app")).ids == [2, 3, 1]
    assert reading.search(wanted("app", whole=("other",))).ids[0] == 3


@pytest.mark.parametrize(
    ("typed", "slips", "ids"), [("ngnix", 0, []), ("ngnix", 1, [1]), ("elasticsaerhc", 1, []), ("elasticsaerhc", 2, [2])]
)
def test_as_many_slips_are_taken_as_are_asked_for(writing: Writing, typed: str, slips: int, ids: list[int]) -> None:
    begun(writing, entry(1, "nginx"), entry(2, "elasticsearch"), entry(3, "abc"))
    assert Reading(writing.folder).search(wanted(words=(Word(typed, slips),))).ids == ids
    assert Reading(writing.folder).search(wanted(words=(Word("abd", 2),))).ids == []  # too short for slips
