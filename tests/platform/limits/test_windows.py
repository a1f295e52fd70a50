"""Sliding windows: against a list of moments, among processes, across restarts, and with more subjects than places."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.platform.limits import windows
from entrepot.platform.limits.windows import BUCKET_S, WINDOW_S, SharedWindows, Taken
from support.counts import examples

pytestmark = pytest.mark.fast

START: Final = 1_800_000_123.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def take(counted: SharedWindows, limit: int, subject: str = "one") -> Taken:
    return asyncio.run(counted.take(subject, limit))


def look(counted: SharedWindows, limit: int, subject: str = "one") -> Taken:
    return asyncio.run(counted.look(subject, limit))


def give_back(counted: SharedWindows, taken: Taken, subject: str = "one") -> None:
    asyncio.run(counted.give_back(subject, taken.bucket))


@given(st.lists(st.integers(0, 4000), max_size=60), st.integers(1, 6))
@settings(max_examples=examples(60, 3_000), deadline=None)
def test_in_any_six_hours_no_more_than_the_limit_are_allowed(pauses: list[int], limit: int) -> None:
    clock = Clock()
    counted = SharedWindows(clock)
    allowed: list[float] = []
    for pause in pauses:
        clock.now += pause
        taken = take(counted, limit)
        recent = sum(moment > clock.now - WINDOW_S for moment in allowed)
        # The oldest bucket is counted whole: five minutes more are looked at, and never any less.
        longer = sum(moment > clock.now - WINDOW_S - BUCKET_S for moment in allowed)
        assert recent < limit if taken.allowed else longer >= limit
        if taken.allowed:
            allowed.append(clock.now)


def test_what_is_left_and_when_one_comes_free_is_told() -> None:
    clock = Clock()
    counted = SharedWindows(clock)
    assert look(counted, 3) == Taken(allowed=True, remaining=3, bucket=int(START) // BUCKET_S, retry_after_s=0)
    assert [take(counted, 3).remaining for _ in range(3)] == [2, 1, 0]
    refused = take(counted, 3)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert look(counted, 3) == refused
    clock.now += refused.retry_after_s - 1
    assert not take(counted, 3).allowed
    clock.now += 1
    assert take(counted, 3).allowed


def test_one_that_is_given_back_can_be_taken_again() -> None:
    clock = Clock()
    counted = SharedWindows(clock)
    first = take(counted, 1)
    assert not take(counted, 1).allowed
    give_back(counted, first)
    assert take(counted, 1).allowed
    clock.now += WINDOW_S + 2 * BUCKET_S
    take(counted, 5)
    give_back(counted, first)
    assert look(counted, 5).remaining == 4, "what the window has passed takes nothing from what came since"
    give_back(counted, first, "nobody")


def test_a_clock_that_is_set_back_makes_nothing_free() -> None:
    clock = Clock()
    counted = SharedWindows(clock)
    take(counted, 1)
    clock.now -= 3 * BUCKET_S
    assert not take(counted, 1).allowed


def test_several_processes_allow_no_more_than_one_would() -> None:
    counted = SharedWindows()
    pipes = []
    for _ in range(4):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.write(write, bytes([sum(take(counted, 100).allowed for _ in range(60))]))
            os._exit(0)
        os.close(write)
        pipes.append((read, child))
    allowed = 0
    for read, child in pipes:
        allowed += os.read(read, 1)[0]
        os.close(read)
        os.waitpid(child, 0)
    assert allowed == 100


def test_what_was_counted_is_there_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    before = SharedWindows(clock)
    for subject in ("one", "two"):
        for _ in range(3):
            take(before, 10, subject)
    before.save(tmp_path / "limits")
    clock.now += WINDOW_S - BUCKET_S
    after = SharedWindows(clock)
    assert after.load(tmp_path / "limits") == 2
    assert look(after, 10, "two").remaining == 7
    clock.now += 3 * BUCKET_S
    assert SharedWindows(clock).load(tmp_path / "limits") == 0, "all of it has passed"


@pytest.mark.parametrize("content", [b"", b"x" * 1000, b"entrepot limits 3\n", b"entrepot limits 3\n" + bytes(100)])
def test_a_file_that_is_none_of_ours_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "limits").write_bytes(content)
    assert SharedWindows().load(tmp_path / "limits") == 0


def test_with_more_subjects_than_places_the_quietest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_SETS", 1)
    clock = Clock()
    counted = SharedWindows(clock)
    for number in range(8):
        clock.now += BUCKET_S
        take(counted, 10, f"subject {number}")
    take(counted, 10, "subject 0")
    clock.now += BUCKET_S
    take(counted, 10, "one more")
    assert [look(counted, 10, f"subject {number}").remaining for number in range(3)] == [8, 10, 9]


def test_asking_takes_microseconds() -> None:
    counted = SharedWindows()

    async def many() -> float:
        began = time.process_time()
        for number in range(2000):
            await counted.take(f"subject {number % 50}", 1_000_000)
        return (time.process_time() - began) / 2000

    assert asyncio.run(many()) < 100e-6
