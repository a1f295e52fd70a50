"""What is hidden and what is absent take the same time to be refused: else a clock would tell what the words do not."""

import statistics
import time
from typing import Final

import pytest

from web.api.conftest import Hub

pytestmark = pytest.mark.long  # what it measures means little beside other work
TRIES: Final = 2000
APART: Final = 0.05
ATTEMPTS: Final = 3  # a machine that others use too is noisy; what differs always differs in each
HIDDEN, ABSENT, NOWHERE = "team/app-private", "team/app-zz", "team-zz/app-zz"
ADDRESSES: Final = {
    "manifest": "/v2/{name}/manifests/v1",
    "tags": "/v2/{name}/tags/list",
    "token": "/token?service=x&scope=repository:{name}:pull",
    "interface": "/api/v1/repositories/{name}",
    "Docker Hub's": "/v2/repositories/{name}/",
}


@pytest.mark.parametrize("who", ["nobody", "stranger", "owner, token public-read"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_hidden_and_absent_take_the_same_time(hub: Hub, who: str, address: str) -> None:
    paths = [address.format(name=name) for name in (HIDDEN, ABSENT, NOWHERE)]
    apart = min(_apart(hub, who, paths) for _ in range(ATTEMPTS))
    assert apart <= APART, f"{apart:.1%} apart"


def _apart(hub: Hub, who: str, paths: list[str]) -> float:
    """Return by how much the medians differ, the largest from the smallest."""
    taken: dict[str, list[float]] = {path: [] for path in paths}
    for number in range(TRIES // len(paths) * len(paths) + len(paths)):
        path = paths[number % len(paths)]
        began = time.perf_counter()
        hub.ask(who, "GET", path)
        taken[path].append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in taken.values()]
    return max(medians) / min(medians) - 1
