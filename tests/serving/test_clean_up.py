"""A served instance gives space back by itself, and keeps all that is still named."""

import time
from collections.abc import Callable

from support.commands import place, run
from support.history import rows
from support.instance import Instance
from support.parts import prepared
from support.wire import Repository, digest_of

LIMIT_S = 60.0


def stored(instance: Instance) -> set[str]:
    """Return the digests of all files in the store."""
    return {f"sha256:{path.name.partition('.')[0]}" for path in (instance.data / "blobs" / "sha256").rglob("*.*")}


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.2)


def test_the_bytes_of_a_deleted_image_go_and_those_of_another_stay(serve: Callable[..., Instance], database_url: str) -> None:
    instance = serve(database=database_url, gc_grace=60)
    repo, settings = Repository(instance.client(), "team/app"), prepared(instance.data, database_url)
    kept, gone = repo.image("kept", seed="kept"), repo.image("gone", seed="gone")
    everything = stored(instance)
    rows(settings, "UPDATE repository_blob SET touched_at = 1")
    rows(settings, "UPDATE repository SET uploaded_at = 1")
    assert repo.client.delete(repo.at(f"manifests/{digest_of(gone)}")).status == 202
    until(lambda: rows(settings, "SELECT count(*) FROM blob WHERE condemned_at IS NOT NULL") == [(2,)])
    assert stored(instance) == everything, "whoever reads them may read on"
    assert not repo.has_blob(digest_of(b"layer gone"))
    rows(settings, "UPDATE blob SET condemned_at = 1 WHERE condemned_at IS NOT NULL")
    until(lambda: digest_of(b"layer gone") not in stored(instance))
    until(lambda: rows(settings, "SELECT count(*) FROM blob") == [(2,)])
    assert repo.client.get(repo.at("manifests/kept")).content == kept
    assert repo.client.get(repo.at(f"blobs/{digest_of(b'layer kept')}")).content == b"layer kept"
    assert run("storage", "leftovers", *place(instance)).stdout == "0 leftover files\n"
    repo.image("gone", seed="gone")
    assert repo.client.get(repo.at(f"blobs/{digest_of(b'layer gone')}")).content == b"layer gone"


def test_uploads_that_nobody_continues_go(serve: Callable[..., Instance], database_url: str) -> None:
    instance = serve(database=database_url, upload_lifetime=60)
    repo, settings = Repository(instance.client(), "team/app"), prepared(instance.data, database_url)
    location = repo.begin()
    repo.client.patch(location, body=b"some")
    rows(settings, "UPDATE upload SET expires_at = 1")
    assert repo.client.get(location).status == 404
    # Its next turn comes in minutes: that of an instance which starts, at once if it has none behind it.
    rows(settings, "UPDATE job_schedule SET slot = 0")
    until(lambda: not list((instance.data / "uploads").iterdir()))
