"""Room that is claimed for bodies which are coming: what one has found, no other finds too, in whatever process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from entrepot.platform.disk.room import Claim, Room
from support.tools import PROJECT

MIB: Final = 1 << 20
# The one process claims and dies without a word; the other is refused for what it claims, but only while it lives.
_TWO_PROCESSES: Final = """
import os, signal, sys
from pathlib import Path
from entrepot.platform.disk.room import Room
from entrepot.platform.telemetry.shared import SharedCounters

claims, folder = SharedCounters(1, 4), Path(sys.argv[1])
here, there = os.pipe(), os.pipe()
child = os.fork()
if not child:
    print("child", Room(folder, int(sys.argv[2]), claims).claim(20 << 20).fits(), flush=True)
    os.write(here[1], b"x")
    os.read(there[0], 1)
os.read(here[0], 1)
room = Room(folder, int(sys.argv[2]), claims)
mine = room.claim(8 << 20)
second = room.claim(8 << 20)
print("beside", mine.fits(), second.fits(), claims.sum(0) >> 20, flush=True)
second.end()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
print("alone", room.lacks(20 << 20), claims.sum(0) >> 20)
"""


def free(folder: Path) -> int:
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize


def test_what_one_body_has_claimed_no_other_finds(disk: Path) -> None:
    room = Room(disk, free(disk) - 10 * MIB)
    first, second, third = (room.claim(5 * MIB) for _ in range(3))
    assert [each.fits() for each in (first, second, third)] == [True, True, False]
    third.end()
    assert room.lacks(1), "nor does a manifest"
    second.end()
    assert not room.lacks(5 * MIB)
    assert room.claim(5 * MIB).fits()
    first.end()
    assert room.claimed_bytes() == 5 * MIB


def come(claim: Claim, file: Path, size_bytes: int) -> bool:
    """Let a MiB after the other come and be written until there is no room for the rest."""
    with file.open("wb", buffering=0) as written:
        for _ in range(size_bytes // MIB):
            written.write(bytes(MIB))
            if claim.came(MIB) and not claim.fits():
                return False
    return True


def test_bodies_that_just_fit_are_not_stopped_and_leave_what_was_asked_for(disk: Path) -> None:
    least = free(disk) - 24 * MIB
    room = Room(disk, least)
    claims = [room.claim(12 * MIB) for _ in range(2)]
    assert all(claim.fits() for claim in claims)
    for number, claim in enumerate(claims):
        assert come(claim, disk / str(number), 12 * MIB)
    assert free(disk) == least
    for claim in claims:
        claim.end()
    assert room.claimed_bytes() == 0


@pytest.mark.parametrize("announced", [None, 14 * MIB])
def test_a_body_is_stopped_when_others_take_the_room_meanwhile(disk: Path, announced: int | None) -> None:
    least = free(disk) - 16 * MIB
    claim = Room(disk, least).claim(announced)
    assert claim.fits()
    (disk / "others").write_bytes(bytes(4 * MIB))
    assert not come(claim, disk / "body", 14 * MIB)
    assert least <= free(disk), "it is noticed in time"


def test_a_body_of_unknown_length_claims_some_room(disk: Path) -> None:
    room = Room(disk, free(disk) - 7 * MIB)
    assert room.claim(None).fits()
    assert not room.claim(None).fits()


def test_a_long_body_keeps_a_part_from_others_and_is_stopped_when_they_need_the_rest(larger_disk: Path) -> None:
    room = Room(larger_disk, free(larger_disk) - 250 * MIB)
    long, other = room.claim(200 * MIB), room.claim(100 * MIB)
    assert long.fits()
    assert other.fits(), "whoever announces much and sends nothing must not lock all others out"
    assert long.came(4 * MIB)
    assert not long.fits()
    assert not room.claim(251 * MIB).fits()


def test_processes_see_what_the_others_claim_until_they_die(disk: Path) -> None:
    least = free(disk) - 30 * MIB
    command = [sys.executable, "-c", _TWO_PROCESSES, str(disk), str(least)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == ["child True", "beside True False 36", "alone False 8"], done.stderr
