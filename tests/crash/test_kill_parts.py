"""Each process of a served instance is killed while everybody works: the others go on, and it is replaced."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from support.counts import examples
from support.instance import Instance
from support.killing_parts import kill_parts, with_steps

KILLS: Final = examples(10, 300)


def test_whatever_process_is_killed_nothing_is_lost_and_no_job_is_done_twice(
    serve: Callable[..., Instance], database_url: str, tmp_path: Path
) -> None:
    instance = serve(database=database_url, workers=2, log_level="info", environment=with_steps(tmp_path))
    done = kill_parts(instance, KILLS)
    print(dict(done))  # noqa: T201 - the figures of docs/testing.md
    assert min(done[each] for each in ("blobs", "manifests", "deleted", "pulled")) > 0
    assert done["jobs done"] == 2 * KILLS
