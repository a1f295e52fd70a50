"""How far clocks may be apart: a database's clock cannot be moved in a test."""

import pytest

from entrepot.platform.db.checkup import check_clock

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(("apart_s", "verdict"), [(0.0, "ok"), (0.9, "ok"), (1.0, "warning"), (59.0, "warning"), (60.0, "error")])
def test_clocks_are_judged_by_how_far_they_are_apart(apart_s: float, verdict: str) -> None:
    assert check_clock(apart_s).verdict == verdict
