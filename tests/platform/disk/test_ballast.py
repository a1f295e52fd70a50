"""The ballast on a small file system of its own: made, thrown off and made anew, by several at once too."""

import fcntl
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from entrepot.platform.disk.ballast import Ballast
from entrepot.platform.disk.room import Room
from support.disks import fill

MIB = 1 << 20
SIZE = 2 * MIB  # a sixteenth of the disk


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_takes_real_room_and_is_made_once(disk: Path) -> None:
    ballast = Ballast(disk)
    assert ballast.held_bytes() is None
    ballast.look()
    assert (ballast.held_bytes(), ballast.due_bytes()) == (SIZE, SIZE)
    made = (disk / "ballast").stat()
    assert made.st_blocks * 512 >= SIZE
    assert len(set((disk / "ballast").read_bytes()[:4096])) > 100, "a file system that compresses would give no room for it"
    ballast.look()
    assert (disk / "ballast").stat().st_ino == made.st_ino
    assert files(disk) == ["ballast"]


def test_it_is_thrown_off_on_a_full_disk_only_and_made_anew_when_there_is_room(disk: Path) -> None:
    ballast = Ballast(disk)
    ballast.look()
    assert not ballast.relieve()
    assert ballast.held_bytes() == SIZE
    fill(disk / "others")
    assert ballast.relieve()
    assert ballast.held_bytes() == 0
    ballast.look()
    assert ballast.held_bytes() == 0, "its own room is not enough to make it anew"
    (disk / "others").unlink()
    ballast.look()
    assert ballast.held_bytes() == SIZE


def test_a_look_finds_a_disk_that_others_filled(disk: Path) -> None:
    ballast = Ballast(disk)
    ballast.look()
    fill(disk / "others")
    ballast.look()
    assert ballast.held_bytes() == 0


def test_a_quota_that_does_not_show_is_believed(disk: Path) -> None:
    ballast = Ballast(disk)
    ballast.look()
    assert ballast.relieve(certain=True)
    assert ballast.held_bytes() == 0


def test_room_that_another_process_gave_is_worth_another_try_and_none_is_not(disk: Path) -> None:
    ballast = Ballast(disk)
    ballast.look()
    fill(disk / "others")
    assert ballast.relieve()
    assert Ballast(disk).relieve(certain=True)
    fill(disk / "more")
    assert not ballast.relieve(certain=True)


def test_room_comes_free_while_somebody_has_it_open(disk: Path) -> None:
    ballast = Ballast(disk)
    ballast.look()
    fill(disk / "others")
    with (disk / "ballast").open("rb"):
        assert ballast.relieve()
        (disk / "new").write_bytes(bytes(SIZE))


def test_many_at_once_make_one_and_throw_it_off_once(disk: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            list(threads.map(lambda _: _looked(disk), range(8)))
            assert Ballast(disk).held_bytes() == SIZE
            assert (disk / "ballast").stat().st_blocks * 512 >= SIZE
            assert files(disk) == ["ballast"]
            fill(disk / "others")
            assert all(threads.map(lambda _: Ballast(disk).relieve(certain=True), range(8)))
            assert Ballast(disk).held_bytes() == 0
            (disk / "others").unlink()


def test_what_a_maker_left_that_was_killed_is_made_whole(disk: Path) -> None:
    (disk / "ballast.new").write_bytes(bytes(3 * SIZE))
    Ballast(disk).look()
    assert Ballast(disk).held_bytes() == SIZE
    assert files(disk) == ["ballast"]


def test_what_a_maker_left_that_was_killed_is_given_back_on_a_full_disk(disk: Path) -> None:
    (disk / "ballast.new").write_bytes(bytes(3 * SIZE))
    (disk / "others").write_bytes(b"")
    fill(disk / "others")
    Ballast(disk).look()
    assert (disk / "ballast.new").stat().st_size == 0
    (disk / "ballast.new").write_bytes(bytes(3 * SIZE))
    assert Ballast(disk).relieve(certain=True), "it is worth another try"
    assert (disk / "ballast.new").stat().st_size == 0


def test_what_is_being_made_is_left_to_its_maker(disk: Path) -> None:
    with (disk / "ballast.new").open("wb") as made:
        made.write(bytes(SIZE))
        made.flush()
        fcntl.flock(made, fcntl.LOCK_EX)
        fill(disk / "others")
        assert not Ballast(disk).relieve(certain=True)
        assert (disk / "ballast.new").stat().st_size == SIZE


def test_what_could_not_be_made_is_not_tried_again_at_once(disk: Path) -> None:
    ballast = Ballast(disk)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a quota does, it lets a file grow so far only, and no file system tells of it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            ballast.look()
        tried = (disk / "ballast.new").stat().st_mtime_ns
        ballast.look()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (disk / "ballast.new").stat().st_size == 0
    ballast.look()
    assert (disk / "ballast.new").stat().st_mtime_ns == tried
    assert ballast.held_bytes() is None
    Ballast(disk).look()
    assert ballast.held_bytes() == SIZE, "a start tries at once"


def test_room_is_told_by_bytes_files_and_ballast(disk: Path) -> None:
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    assert not Room(disk, free).lacks(0)
    assert not Room(disk, free - 10).lacks(10)
    assert Room(disk, free - 10).lacks(11)
    assert not Room(disk, 0).lacks(1 << 60)
    for number in range(920):
        (disk / str(number)).touch()
    assert Room(disk, 1).lacks(0), "a hundred files more are too few"
    assert not Room(disk, 0).lacks(0)
    (disk / "ballast").touch()
    assert Room(disk, 0).lacks(0), "what the ballast gave is for deletions"


def _looked(disk: Path) -> None:
    try:
        Ballast(disk).look()
    except FileNotFoundError:
        return  # another one has given the file its name
