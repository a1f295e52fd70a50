"""The storm: clients that share blobs push, mount, pull and delete while everything is collected within seconds.

The product's shortest grace time is a minute, in which little would be collected. So a copy of the sources is served in which
the times of the clean-up are seconds, and nothing else is changed, unless a test plants a fault.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from entrepot.base.settings import Settings
from support.history import options, rows
from support.instance import Instance
from support.killing import files
from support.nodes import Nodes
from support.s3 import Bucket
from support.shelves import GRACE_S
from support.sources import Sources, run_command
from support.stormers import UPLOAD_LIFETIME_S, Stormer, World
from support.trouble import everything

CLIENTS: Final = 12
_FSCK_EVERY_S: Final = 6.0
_FSCK_LIMIT_S: Final = 600.0  # it checks what goes on to change, on a machine that has much else to do
_TIMES: Final = (
    ("base/settings/fields.py", "is safe after its last use.", "ge=60", "ge=1"),
    ("base/settings/fields.py", "an upload that nobody continues is kept.", "ge=60", "ge=1"),
    ("domain/registry/queries/repositories.py", "_NOTED_EVERY_US: Final =", "15_000_000", f"{int(GRACE_S / 4 * 1e6)}"),
    ("domain/registry/service/collection.py", "_ORPHAN_AGE_S: Final =", "3600", "1"),
    ("domain/registry/jobs.py", "_EXPIRE_EVERY_S: Final =", "600", "2"),
    ("domain/registry/jobs.py", "_ORPHANS_EVERY_S: Final =", "24 * 3600", "5"),
    ("domain/registry/jobs.py", "_SCRUB_EVERY_S: Final =", "7 * 24 * 3600", "5"),
)
_COLLECTION: Final = "domain/registry/queries/collection.py"
_BLOBS: Final = "domain/registry/queries/blobs.py"
# What the argument of decision 0007 leans on, and what stands there when it is left out.
FAULTS: Final = {
    "links looked at again": (_COLLECTION, "blob.in_(values), _USELESS)", "blob.in_(values), _CUTOFF.is_not(None))"),
    "blobs looked at again": (_COLLECTION, "blob.c.id.in_(values), _NOBODYS)", "blob.c.id.in_(values))"),
    "touch by HEAD": ("domain/registry/service/blobs.py", "if is_fresh:", "if True:"),
    "touch by mounts and uploads": (_BLOBS, '{"touched_at": now_us()}', '{"touched_at": repository_blob.c.touched_at}'),
    "uploads that go on": (_COLLECTION, "and_(_IS_OLD, ~_IS_NAMED, ~_IS_PUSHED_TO)", "and_(_IS_OLD, ~_IS_NAMED)"),
    "lock of a manifest's links": (_BLOBS, "\n        .with_for_update(read=True, of=[blob, repository_blob])", ""),
    "lock of a mount's source": (_BLOBS, ".with_for_update(read=True, of=[blob])", ""),
    "lock of an upload's blob": (_BLOBS, "_BY_DIGEST.with_for_update()", "_BY_DIGEST"),
}


class Storm:
    """One storm on one database; with a bucket, on two nodes."""

    def __init__(
        self, folder: Path, database: str, seed: int | None = None, fault: str = "", bucket: Bucket | None = None
    ) -> None:
        self.seed = random.randrange(1 << 32) if seed is None else seed
        print(f"seed {self.seed}")  # noqa: T201 - shown when the test fails
        self.done: Counter[str] = Counter()
        self._sources = hurried(Sources(folder))
        if fault:
            self._sources.change(*FAULTS[fault])
        self._environment = self._sources.environment() | (bucket.environment if bucket else {})
        self._bucket = bucket
        own: dict[str, Any] = {"environment": self._environment, "workers": 2, "gc_grace": int(GRACE_S)}
        own["upload_lifetime"] = int(UPLOAD_LIFETIME_S)
        if bucket is None:
            self._instance: Instance | Nodes = Instance(folder / "data", database=database, **own)
            self._nodes = [self._instance]
        else:
            self._instance = Nodes(folder, database, storage=bucket.url(), **own)
            self._nodes = self._instance.nodes
        self._place = Settings(data=str(self._instance.data), database=database, storage=bucket.url() if bucket else "")

    def rage(self, seconds: float) -> None:
        """Let the clients loose for a while; then everything must be as they know it, and nothing else be left."""
        world = World(self._instance.url, self.seed, CLIENTS)
        stormers = [Stormer(world, number) for number in range(CLIENTS)]
        for stormer in stormers:
            stormer.thread.start()
        try:
            self._watch(world.stop, seconds)
        finally:
            world.stop.set()  # also of a storm that has failed
        for stormer in stormers:
            stormer.thread.join(120)
            assert not stormer.thread.is_alive(), f"seed {self.seed}: {stormer.thread.name} waits for ever"
            self.done += stormer.done
        for stormer in stormers:
            if stormer.error is not None:
                raise AssertionError(f"seed {self.seed}: {stormer.error}") from stormer.error
        for stormer in stormers:
            stormer.check()
        self._settle()
        for stormer in stormers:
            stormer.check()
        self._check_tables()
        self._fsck()

    def end(self) -> None:
        """Stop serving."""
        self._instance.stop()

    def _watch(self, stop: threading.Event, seconds: float) -> None:
        """Check the store now and then, until the time is over or a client has stopped the others."""
        end = time.monotonic() + seconds
        while not stop.wait(min(_FSCK_EVERY_S, max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            self._fsck()

    def _fsck(self) -> None:
        checked = run_command("fsck", *options(self._place), environment=self._environment, limit_s=_FSCK_LIMIT_S)
        said = [line for line in checked.stdout.splitlines() if not line.startswith("child ")]
        assert checked.returncode == 0, f"seed {self.seed}: fsck says: {said}"
        self.done["fsck"] += 1

    def _settle(self) -> None:
        """Wait until what nobody names is gone."""
        end = time.monotonic() + 60
        while (left := self._left()) != {}:
            assert time.monotonic() < end, f"seed {self.seed}: it is not cleaned up: {left}"
            time.sleep(0.5)

    def _left(self) -> dict[str, object]:
        """Return what should not be there: rows and files that nothing names, and what is named and has no file."""
        left: dict[str, object] = {what: found for what, statement in _LEFT.items() if (found := rows(self._place, statement))}
        keys = {str(row[0]) for row in rows(self._place, "SELECT storage_key FROM blob")}
        there = files(self._instance.data) if self._bucket is None else asyncio.run(everything(self._bucket))
        if there != keys:
            left["files"] = there ^ keys
        return left

    def _check_tables(self) -> None:
        """Look at the jobs, and count what they did."""
        failed = rows(self._place, "SELECT kind, attempt, error FROM job WHERE state = 'failed' OR error <> ''")
        assert failed == [], f"seed {self.seed}: {failed}"
        log = "".join(node.log.read_text("utf-8", errors="replace") for node in self._nodes)
        for kind in ("collect", "delete_condemned", "expire_uploads", "delete_orphans", "scrub"):
            self.done[kind] = log.count(f"registry.{kind}\n") + log.count(f"registry.{kind} ")
        bad = [line for line in log.splitlines() if any(word in line for word in _BAD)]
        assert bad == [], f"seed {self.seed}: {bad[:5]}"


_BAD: Final = ("Traceback", "request_failed", "job_attempt_failed", "job_lease_lost", "blob_lost", "blob_missing", "blob_damaged")
# Every row that nothing needs any more.
_LEFT: Final = {
    "links": "SELECT repository, blob FROM repository_blob l WHERE NOT EXISTS (SELECT 1 FROM manifest_reference r "
    "JOIN blob b ON b.digest = r.digest WHERE r.repository = l.repository AND b.id = l.blob)",
    "blobs": "SELECT id, digest, condemned_at FROM blob b WHERE condemned_at IS NOT NULL "
    "OR NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.blob = b.id)",
    "uploads": "SELECT id FROM upload",
    "references": "SELECT manifest, digest FROM manifest_reference r "
    "WHERE NOT EXISTS (SELECT 1 FROM manifest m WHERE m.id = r.manifest)",
}


def hurried(sources: Sources) -> Sources:
    """Let the clean-up of a copy count in seconds."""
    for path, about, before, after in _TIMES:
        text = (sources.folder / "entrepot" / path).read_text("utf-8")
        line = next(line for line in text.splitlines() if about in line)
        sources.change(path, line, line.replace(before, after))
    return sources
