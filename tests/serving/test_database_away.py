"""A registry whose PostgreSQL is away: what it answers meanwhile, and how soon."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from support.http import Client
from support.images import MANIFEST
from support.instance import Instance
from support.postgres import Cluster
from support.wire import Repository, digest_of

FOUND_OUT_S: Final = 10.0
AT_ONCE_S: Final = 1.0
LAYER: Final = b"layer " * 30_000


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


def refused_after(client: Client, method: str, path: str, body: bytes = b"") -> float:
    """Check that the answer is the one of a database that is away, and return how long it took."""
    began = time.monotonic()
    answer = client.request(method, path, body=body, headers={"Content-Type": MANIFEST} if body else {})
    assert answer.status == 503, (method, path, answer)
    assert int(answer.headers["Retry-After"]) > 0
    assert method == "HEAD" or answer.error_code == "UNAVAILABLE"
    return time.monotonic() - began


def until_ready(client: Client) -> None:
    end = time.monotonic() + 30
    while client.get("/readyz").content != b"ready\n":
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.05)


def test_all_that_needs_the_database_is_refused_with_503_and_at_once(serve: Callable[..., Instance], cluster: Cluster) -> None:
    client = serve(database=cluster.new_database()).client()
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
    until_ready(client)
    assert repo.finish(upload, digest_of(b"{}"), b"{}").status == 201
    assert client.get(repo.at("manifests/v1")).status == 200
