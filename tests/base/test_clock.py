"""The clock: microseconds since 1970, UTC."""

import time

import pytest

from entrepot.base.clock import now_us, seconds_us

pytestmark = pytest.mark.fast


def test_now_is_microseconds_since_1970() -> None:
    before = time.time()
    now = now_us()
    assert isinstance(now, int)
    assert before - 0.001 <= now / 1_000_000 <= time.time() + 0.001


def test_seconds_become_microseconds() -> None:
    assert seconds_us(1.5) == 1_500_000
    assert seconds_us(0) == 0
