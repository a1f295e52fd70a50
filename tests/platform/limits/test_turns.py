"""Turns among processes: one has it at a time, and one who is killed with it stops nobody."""

import mmap
import os
import signal
import time

import pytest

from entrepot.platform.limits.turns import Turns

pytestmark = pytest.mark.fast
TIMES = 4000


def test_processes_have_it_one_at_a_time() -> None:
    turns = Turns(2)
    counted = mmap.mmap(-1, 8)
    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            for _ in range(TIMES):
                turns.take(5)
                counted[:8] = (int.from_bytes(counted[:8]) + 1).to_bytes(8)
                turns.give(5)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert int.from_bytes(counted[:8]) == 3 * TIMES


def test_who_is_killed_with_it_is_passed_over() -> None:
    turns = Turns(1)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        turns.take(0)
        os.write(write, b"1")
        signal.pause()
    os.read(read, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    began = time.monotonic()
    turns.take(0)
    assert time.monotonic() - began < 5
    turns.give(0)
    began = time.monotonic()
    turns.take(0)
    turns.give(0)
    assert time.monotonic() - began < 0.4, "it is as it was"
    turns.give(0)  # by the one who was passed over
    turns.take(0)
    turns.give(0)
    os.close(read)
    os.close(write)
