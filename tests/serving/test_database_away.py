"""A registry whose PostgreSQL is away: what it answers meanwhile, and how soon."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from entrepot.domain.registry.service.served import SERVED_AWAY_S, is_serving
from entrepot.platform.db.database import DatabaseAway
from support.http import Client
from support.images import MANIFEST
from support.instance import Instance
from support.postgres import Cluster
from support.tools import program
from support.wire import Repository, digest_of

FOUND_OUT_S: Final = 10.0
AT_ONCE_S: Final = 1.0
LAYER: Final = b"layer " * 30_000
WRITTEN_S: Final = 2.0  # what was served is noted for the other processes within a fraction of it
ASKED: Final = 16  # times, each on a connection of its own: no worker is missed then


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that may be taken away: that of the other tests must not be."""
    cluster = Cluster()
    yield cluster
    cluster.thaw()
    cluster.remove()


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    cluster.freeze()
    try:
        yield
    finally:
        cluster.thaw()


def pull(instance: Instance, *paths: str) -> set[int]:
    """Ask for each of them on many connections, and return the statuses."""
    return {instance.client().get(path, headers={"Connection": "close"}).status for path in paths * ASKED}


def refused_after(client: Client, method: str, path: str, body: bytes = b"") -> float:
    """Check that the answer is the one of a database that is away, and return how long it took."""
    began = time.monotonic()
    answer = client.request(method, path, body=body, headers={"Content-Type": MANIFEST} if body else {})
    assert answer.status == 503, (method, path, answer)
    assert int(answer.headers["Retry-After"]) > 0
    assert method == "HEAD" or answer.error_code == "UNAVAILABLE"
    return time.monotonic() - began


def until_ready(instance: Instance) -> None:
    """Wait for all its processes: each finds out for itself."""
    end = time.monotonic() + 30
    while {instance.client().get("/readyz").content for _ in range(ASKED)} != {b"ready\n"}:
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.05)


def test_all_that_needs_the_database_is_refused_with_503_and_at_once(serve: Callable[..., Instance], cluster: Cluster) -> None:
    instance = serve(database=cluster.new_database())
    client = instance.client()
    repo = Repository(client, "away/one")
    repo.blob(LAYER)
    manifest = repo.image("v1")
    image = digest_of(manifest)
    upload = repo.begin()
    asked: list[tuple[str, str] | tuple[str, str, bytes]] = [
        ("GET", repo.at("manifests/v1")),
        ("HEAD", repo.at("manifests/v1")),
        ("GET", repo.at("manifests/unknown")),
        ("GET", repo.at(f"manifests/{digest_of(b'unknown')}")),
        ("GET", repo.at(f"blobs/{digest_of(b'unknown')}")),
        ("HEAD", repo.at(f"blobs/{digest_of(LAYER)}")),
        ("GET", "/v2/nobody/nothing/tags/list"),
        ("GET", repo.at("tags/list")),
        ("GET", repo.at(f"referrers/{image}")),
        ("GET", "/v2/_catalog"),
        ("POST", repo.at("blobs/uploads/")),
        ("PATCH", upload, b"{}"),
        ("PUT", f"{upload}?digest={digest_of(b'{}')}", b"{}"),
        ("GET", upload),
        ("DELETE", upload),
        ("PUT", repo.at("manifests/v2"), manifest),
        ("DELETE", repo.at("manifests/v1")),
        ("DELETE", repo.at(f"manifests/{image}")),
        ("DELETE", repo.at(f"blobs/{digest_of(LAYER)}")),
    ]
    with frozen(cluster):
        assert refused_after(client, *asked[0]) < FOUND_OUT_S
        waits = {each: refused_after(client, *each) for each in asked}
        assert max(waits.values()) < AT_ONCE_S, waits
        assert client.get("/healthz").status == 200
        assert client.get("/v2/").status == 200
    until_ready(instance)
    assert repo.finish(upload, digest_of(b"{}"), b"{}").status == 201
    assert client.get(repo.at("manifests/v1")).status == 200


def test_what_was_pulled_lately_goes_on_being_served_by_every_process(
    serve: Callable[..., Instance], cluster: Cluster, tmp_path: Path
) -> None:
    instance = serve(database=cluster.new_database(), workers=2)
    client = instance.client()
    repo = Repository(client, "away/two")
    layer, image = repo.blob(LAYER)["digest"], repo.image("v1")
    index = digest_of(repo.index("many", image))
    lasting = [repo.at(rest) for rest in (f"manifests/{index}", f"manifests/{digest_of(image)}", f"blobs/{layer}")]
    small = [repo.at(f"blobs/{digest_of(each)}") for each in (b"{}", b"layer ")]
    unseen = repo.at(f"manifests/{digest_of(repo.image(seed='unseen'))}")
    before = {path: client.get(path) for path in (*lasting, *small)}
    time.sleep(WRITTEN_S)
    with frozen(cluster):
        assert refused_after(client, "GET", repo.at("manifests/v1")) < FOUND_OUT_S
        assert pull(instance, *lasting, *small) == {200}
        assert {path: client.get(path).content for path in before} == {path: each.content for path, each in before.items()}
        assert client.head(lasting[0]).headers["Docker-Content-Digest"] == index
        assert client.get(lasting[2], headers={"Range": "bytes=6-11"}).content == b"layer "
        assert pull(instance, unseen, repo.at("manifests/many")) == {503}
        ready = client.get("/readyz")
        assert (ready.status, ready.content.partition(b":")[0]) == (200, b"degraded")
        assert b"\nentrepot_database_away_seconds 0\n" not in client.get("/metrics").content
        target = f"docker://{instance.host}/{repo.name}@{digest_of(image)}"
        program("skopeo").run("--insecure-policy", "copy", "--src-tls-verify=false", target, f"dir:{tmp_path}/pulled")
    until_ready(instance)
    assert pull(instance, unseen, repo.at("manifests/many")) == {200}
    assert b"\nentrepot_database_away_seconds 0\n" in client.get("/metrics").content


def test_what_was_deleted_here_is_served_by_no_process_any_more(serve: Callable[..., Instance], cluster: Cluster) -> None:
    instance = serve(database=cluster.new_database(), workers=2)
    repo = Repository(instance.client(), "away/three")
    layer = repo.at(f"blobs/{repo.blob(LAYER)['digest']}")
    manifest = repo.at(f"manifests/{digest_of(repo.image('v1'))}")
    kept = repo.at(f"manifests/{digest_of(repo.image('v2', seed='2'))}")
    assert pull(instance, layer, manifest, kept) == {200}
    # At once: one process may not have noted yet that it served what another one deletes.
    assert [repo.client.delete(path).status for path in (layer, manifest)] == [202, 202]
    time.sleep(WRITTEN_S)
    cluster.kill()
    try:
        assert pull(instance, layer, manifest) == {503}
        assert pull(instance, kept) == {200}
    finally:
        cluster.start()
    until_ready(instance)
    assert pull(instance, layer, manifest) == {404}


def test_a_blob_that_is_not_where_it_is_remembered_is_not_said_to_be_lost(
    serve: Callable[..., Instance], cluster: Cluster
) -> None:
    instance = serve(database=cluster.new_database())
    repo = Repository(instance.client(), "away/moved")
    layer = repo.at(f"blobs/{repo.blob(LAYER)['digest']}")
    assert pull(instance, layer) == {200}
    time.sleep(WRITTEN_S)
    (file,) = [path for path in (instance.data / "blobs").rglob("*") if path.is_file() and path.stat().st_size == len(LAYER)]
    file.unlink()  # as when a push through another node has put it elsewhere, or the clean-up has taken it
    cluster.kill()
    try:
        refused_after(repo.client, "GET", layer)
        refused_after(repo.client, "HEAD", layer)
    finally:
        cluster.start()
    until_ready(instance)
    assert pull(instance, layer) == {404}


@pytest.mark.fast
def test_a_minute_is_what_is_served_from_memory() -> None:
    assert SERVED_AWAY_S == 60
    assert [is_serving(DatabaseAway(away_s)) for away_s in (0.1, 59.9, 60.1, 3600)] == [True, True, False, False]


@pytest.mark.long
def test_after_a_minute_everything_is_refused_and_it_is_not_ready(serve: Callable[..., Instance], cluster: Cluster) -> None:
    instance = serve(database=cluster.new_database(), workers=2)
    client = instance.client()
    repo = Repository(client, "away/four")
    manifest = repo.at(f"manifests/{digest_of(repo.image('v1'))}")
    assert client.get(manifest).status == 200
    time.sleep(WRITTEN_S)
    with frozen(cluster):
        began = time.monotonic()
        while time.monotonic() < began + 53:
            assert client.get(manifest).status == 200
            assert client.get("/readyz").status == 200
            time.sleep(1)
        while client.get(manifest).status == 200:
            assert time.monotonic() < began + 61
            time.sleep(0.1)
        time.sleep(5)  # for processes that noticed later
        assert pull(instance, manifest, "/readyz") == {503}
    until_ready(instance)
    assert client.get(manifest).status == 200
