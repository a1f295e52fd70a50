"""Windows that nodes share: the same as those of one machine, and out of the way when the server is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from entrepot.platform.limits import valkey
from entrepot.platform.limits.valkey import ValkeyWindows
from entrepot.platform.limits.windows import BUCKET_S, WINDOW_S, LimitsAway
from support.counts import examples
from support.valkey import Valkey

SUBJECT: Final = "address 192.0.2.1"
_numbers: Final = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@asynccontextmanager
async def opened(server: Valkey) -> AsyncIterator[ValkeyWindows]:
    windows = ValkeyWindows(server.url)
    try:
        yield windows
    finally:
        await windows.close()


def test_what_is_left_is_counted_and_told(server: Valkey) -> None:
    async def scenario() -> None:
        async with opened(server) as one, opened(server) as other:
            assert (await one.look("a", 3)).remaining == 3
            taken = [await each.take("a", 3) for each in (one, other, one)]
            assert [each.remaining for each in taken] == [2, 1, 0]
            refused = await other.take("a", 3)
            assert not refused.allowed
            assert 0 < refused.retry_after_s <= 73 * BUCKET_S
            assert await one.look("a", 3) == refused
            await one.give_back("a", taken[0].bucket)
            assert (await other.take("a", 3)).allowed
            assert (await one.look("b", 3)).remaining == 3
            await one.give_back("b", taken[0].bucket)
            assert (await one.look("b", 3)).remaining == 3, "nothing is given back that was not taken"

    asyncio.run(scenario())


def test_the_window_passes(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "BUCKET_S", 1)
    monkeypatch.setattr(valkey, "WINDOW_S", 2)

    async def scenario() -> None:
        async with opened(server) as windows:
            assert (await windows.take("c", 1)).allowed
            refused = await windows.take("c", 1)
            assert not refused.allowed
            assert 1 <= refused.retry_after_s <= 3
            await asyncio.sleep(refused.retry_after_s + 0.1)
            assert (await windows.take("c", 1)).allowed

    asyncio.run(scenario())


TIME_OF: Final = "redis.call('TIME')[1]"
SHIFTED: Final = valkey._ASK.replace(TIME_OF, f"{TIME_OF} + (redis.call('GET', 'shift') or 0)")


def test_the_clock_of_the_next_test_is_the_script_s_own() -> None:
    assert SHIFTED.count("'shift'") == valkey._ASK.count("'TIME'") == 1
    assert "TIME" not in valkey._GIVE_BACK


@given(st.lists(st.integers(0, 4000), min_size=20, max_size=60), st.integers(1, 6))
@settings(max_examples=examples(15, 1_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_six_hours_no_more_than_the_limit_are_allowed(
    server: Valkey, monkeypatch: pytest.MonkeyPatch, pauses: list[int], limit: int
) -> None:
    subject = f"clock {next(_numbers)}"
    monkeypatch.setattr(valkey, "_ASK", SHIFTED)

    async def scenario() -> None:
        async with opened(server) as windows, Redis.from_url(server.url) as clock:
            allowed: list[float] = []
            gone = 0
            for pause in pauses:
                gone += pause
                await clock.set("shift", gone)
                before = int(time.time()) + gone
                taken = await windows.take(subject, limit)
                after = int(time.time()) + gone
                # What happens while it is asked counts for whoever asks.
                recent = sum(moment > after - WINDOW_S for moment in allowed)
                longer = sum(moment > before - WINDOW_S - BUCKET_S for moment in allowed)
                assert recent < limit if taken.allowed else longer >= limit
                if taken.allowed:
                    allowed.append(before)

    asyncio.run(scenario())


def test_many_at_once_are_not_one_too_many(server: Valkey) -> None:
    async def scenario() -> None:
        async with opened(server) as one, opened(server) as other:
            taken = await asyncio.gather(*((one if number % 2 else other).take("d", 100) for number in range(160)))
            assert sum(each.allowed for each in taken) == 100

    asyncio.run(scenario())


def test_a_server_that_is_away_is_left_alone_and_asked_again() -> None:
    async def scenario(server: Valkey) -> None:
        async with opened(server) as windows:
            await windows.take(SUBJECT, 5)
            server.kill()
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(LimitsAway):
                    await windows.take(SUBJECT, 5)
                assert time.monotonic() - began < 1.5
            server.start()
            await asyncio.sleep(1.1)
            assert (await windows.take(SUBJECT, 5)).remaining == 4, "it counts anew"

    with Valkey() as server:
        asyncio.run(scenario(server))
