"""How far clocks may be apart: a database's clock cannot be moved in a test. And how many connections a node may open."""

import asyncio

import pytest

from entrepot.platform.db.checkup import check_clock, examine_postgresql
from support.pages import Page
from support.postgres import Cluster


def test_the_connections_of_a_node_are_counted_as_the_page_says(postgres: Cluster) -> None:
    found = asyncio.run(examine_postgresql(postgres.new_database(), workers=2))
    (told,) = [each.told for each in found if each.check == "connections"]
    assert "open up to 28" in told
    assert "with two processors that is 28 for a node" in Page("cluster.md").section("Sizing")


@pytest.mark.fast
@pytest.mark.parametrize(("apart_s", "verdict"), [(0.0, "ok"), (0.9, "ok"), (1.0, "warning"), (59.0, "warning"), (60.0, "error")])
def test_clocks_are_judged_by_how_far_they_are_apart(apart_s: float, verdict: str) -> None:
    assert check_clock(apart_s).verdict == verdict
