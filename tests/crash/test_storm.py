"""Pushes, mounts, deletions and collections all at once: nothing that was promised goes, and nothing that nobody needs stays.

A failure tells the seed. The clients race, so that a seed gives the same requests and not the same moments.
"""

from pathlib import Path
from typing import Final

import pytest

from support.counts import examples
from support.storming import Storm

SECONDS: Final = examples(30, 1800)


def test_everything_promised_stays_and_everything_else_goes(database_url: str, tmp_path: Path) -> None:
    storm = Storm(tmp_path, database_url)
    try:
        storm.rage(SECONDS)
    finally:
        storm.end()
    print(dict(storm.done))  # noqa: T201 - the figures of docs/testing.md
    done = ("mounted", "resumed", "delete", "came back: again", "came back: ask", "collect", "delete_condemned", "fsck")
    assert min(storm.done[each] for each in done) > 0, storm.done


@pytest.mark.long
@pytest.mark.parametrize("fault", ["touch by HEAD", "touch by mounts and uploads", "links looked at again"])
def test_a_product_that_leaves_out_what_protects_a_push_is_noticed(database_url: str, tmp_path: Path, fault: str) -> None:
    storm = Storm(tmp_path, database_url, fault=fault)
    with pytest.raises(AssertionError, match=f"seed {storm.seed}"):
        storm.rage(120)
