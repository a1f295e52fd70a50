"""The only place that reads the wall clock, so that every time in the product has one unit and one zone."""

import time


def now_us() -> int:
    """Return the time as microseconds since 1970-01-01 UTC, the form in which every time is stored."""
    return time.time_ns() // 1_000


def seconds_us(seconds: float) -> int:
    """Return `seconds` in microseconds."""
    return int(seconds * 1_000_000)
