"""Memory stays flat, whatever the size of a blob that goes in and comes out."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.counts import examples
from support.instance import Instance, surroundings
from support.processes import descendants
from support.s3 import S3Server

BLOB_BYTES: Final = examples(256, 1024) << 20
MOST_GROWTH_BYTES: Final = 60_000_000
MOST_WITH_BUCKET_BYTES: Final = 250_000_000
_PIECE: Final = 1 << 20


def pss_bytes(instance: Instance) -> int:
    """Return the proportional set size of all processes of the instance."""
    total = 0
    for pid in (instance.pid, *descendants(instance.pid)):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
            total += next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


class Watch(threading.Thread):
    """Notes the most memory that was ever in use."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(daemon=True)
        self._instance = instance
        self._ended = threading.Event()
        self.most = 0

    def run(self) -> None:
        """Look ten times a second."""
        while not self._ended.wait(0.1):
            self.most = max(self.most, pss_bytes(self._instance))

    def end(self) -> int:
        """Stop looking and return the most."""
        self._ended.set()
        self.join()
        return self.most


def test_memory_does_not_grow_with_a_blob(serve: Callable[..., Instance], tmp_path: Path) -> None:
    instance = serve(workers=2, log_level="info")
    client = instance.client()
    blob = images.big_layer(tmp_path / "big", 1, BLOB_BYTES).blob
    images.push_blob(client, "warm/up", images.blob(images.LAYER, bytes(8 << 20)))
    time.sleep(0.3)
    before, watch = pss_bytes(instance), Watch(instance)
    watch.start()
    images.push_blob(client, "big/one", blob)
    assert pulled(instance, f"/v2/big/one/blobs/{blob.digest}") == blob.digest
    assert watch.end() - before < MOST_GROWTH_BYTES


@pytest.mark.long
def test_eight_uploads_into_a_bucket_at_once_stay_below_250_mb(
    serve: Callable[..., Instance], s3: S3Server, tmp_path: Path
) -> None:
    bucket = s3.new_bucket()
    environment = surroundings(**bucket.environment)
    instance = serve(workers=2, log_level="info", storage=bucket.url(), environment=environment)
    blob, failed = images.big_layer(tmp_path / "big", 1, BLOB_BYTES).blob, []

    def push(number: int) -> None:
        try:
            images.push_blob(instance.client(), f"big/{number}", blob)
        except BaseException as error:  # told by the thread that waits
            failed.append(error)
            raise

    pushes = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    watch = Watch(instance)
    for thread in (watch, *pushes):
        thread.start()
    for thread in pushes:
        thread.join()
    assert failed == []
    assert watch.end() < MOST_WITH_BUCKET_BYTES


def pulled(instance: Instance, path: str) -> str:
    """Pull without keeping anything and return the digest."""
    answer = instance.client()._pool.urlopen("GET", path, preload_content=False)
    hashed = hashlib.sha256()
    for piece in pieces(answer):
        hashed.update(piece)
    answer.release_conn()
    return f"sha256:{hashed.hexdigest()}"


def pieces(answer: object) -> Iterator[bytes]:
    while piece := answer.read(_PIECE):  # type: ignore[attr-defined]  # urllib3's answer
        yield piece
