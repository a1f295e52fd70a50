"""The storm of tests/crash/test_storm.py on two nodes with a bucket: what one acknowledged, the other's clean-up leaves alone."""

from pathlib import Path
from typing import Final

import pytest

from support.counts import examples
from support.postgres import Cluster
from support.s3 import S3Server
from support.storming import Storm

SECONDS: Final = examples(15, 1800)


@pytest.mark.long
def test_everything_promised_stays_and_everything_else_goes(postgres: Cluster, s3: S3Server, tmp_path: Path) -> None:
    storm = Storm(tmp_path, postgres.new_database(), bucket=s3.new_bucket())
    try:
        storm.rage(SECONDS)
    finally:
        storm.end()
    print(dict(storm.done))  # noqa: T201 - the figures of docs/testing.md
    done = ("mounted", "resumed", "delete", "collect", "delete_condemned", "fsck")
    assert min(storm.done[each] for each in done) > 0, storm.done
