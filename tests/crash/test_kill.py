"""Killed at any moment of concurrent pushes, the registry has all that it acknowledged and serves nothing half-written.

On SQLite here, on PostgreSQL in a file beside this one: with their full counts both take half an hour, side by side.
"""

from collections.abc import Callable
from typing import Final

from support.counts import examples
from support.instance import Instance
from support.killing import kill_again_and_again

KILLS: Final = examples(20, 1000)


def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_served(serve: Callable[..., Instance]) -> None:
    kill_again_and_again(serve(workers=2, log_level="info"), KILLS)
