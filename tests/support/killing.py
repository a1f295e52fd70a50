"""Kills a server at random moments of concurrent pushes, and looks at what is left."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from entrepot.base.settings import Settings
from support.history import options, rows
from support.instance import Instance
from support.pushers import Ledger, Pusher, pull_every_tag
from support.sources import run_command

CLIENTS: Final = 4
LONGEST_S: Final = 0.7
_OLD_ONES: Final = 40


def kill_again_and_again(instance: Instance, kills: int) -> None:
    """Push, kill, start and compare, `kills` times; at the end everything that was ever acknowledged is compared."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance, ledger = random.Random(seed), Ledger()
    for _ in range(kills):
        seen = set(ledger.blobs), set(ledger.manifests)
        push_for(instance, ledger, chance, instance.kill)
        instance.restart()
        old = chance.sample(sorted(seen[0]), min(_OLD_ONES, len(seen[0])))
        ledger.check(instance.client(), (ledger.blobs - seen[0]) | set(old), ledger.manifests - seen[1])
    ledger.check(instance.client(), ledger.blobs, ledger.manifests)
    assert pull_every_tag(instance.client()) >= len([each for each in ledger.tags.values() if each[0]])
    assert len(ledger.blobs) > kills
    assert ledger.resumed > 0
    place = Settings(data=str(instance.data), database=instance.database)
    assert accounted(place) == files(instance.data)


def push_for(instance: Instance, ledger: Ledger, chance: random.Random, end: Callable[[], object]) -> None:
    """Push by several clients for a moment, then end the server under them."""
    pushers = [Pusher(instance.url, ledger, number, chance.getrandbits(32)) for number in range(CLIENTS)]
    for pusher in pushers:
        pusher.start()
    time.sleep(chance.uniform(0, LONGEST_S))
    end()
    for pusher in pushers:
        pusher.stop.set()
    for pusher in pushers:
        pusher.join(30)
        assert not pusher.is_alive(), "a client waits for ever"
        if pusher.error is not None:
            raise pusher.error


def files(data: Path) -> set[str]:
    """Return all files of the store."""
    return {
        str(path.relative_to(data)) for folder in ("blobs", "uploads") for path in (data / folder).rglob("*") if path.is_file()
    }


def accounted(place: Settings) -> set[str]:
    """Return the files that belong to a blob, to an upload, or are reported as left over; no file may be two of these."""
    there = files(Path(place.data))
    done = run_command("storage", "leftovers", "--json", *options(place))
    assert done.returncode == 0, done.stdout
    reported = {str(each["key"]) for each in json.loads(done.stdout)}
    keys = {str(row[0]) for row in rows(place, "SELECT storage_key FROM blob")}
    handles = {str(row[0]) for row in rows(place, "SELECT handle FROM upload")}
    of_uploads = {path for path in there if path.rpartition("/")[2].rpartition(".")[2] in handles}
    assert keys <= there, "a blob's row names a file that is not there"
    assert not reported & (keys | of_uploads)
    return keys | of_uploads | reported
