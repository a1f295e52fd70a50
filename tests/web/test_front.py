"""The front: the page for people, health, and everything that is not there."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from support.http import Client
from support.instance import Instance
from support.postgres import Cluster
from support.processes import web_workers
from support.wire import plain_headers


def test_the_first_page_says_how_to_push_to_the_address_that_was_asked(client: Client) -> None:
    answer = client.get("/", headers={"Host": "localhost:5000"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.content.decode()
    assert "docker push localhost:5000/demo/hello:v1" in text
    assert "docker pull localhost:5000/demo/hello:v1" in text
    head = client.head("/", headers={"Host": "localhost:5000"})
    assert (head.status, head.content, plain_headers(head)) == (200, b"", plain_headers(answer))


def test_a_process_that_serves_is_alive_and_ready(client: Client) -> None:
    assert client.get("/healthz").content == b"alive\n"
    assert client.get("/readyz").content == b"ready\n"
    assert client.head("/readyz").status == 200


@pytest.mark.parametrize("path", ["/x", "/favicon.ico", "/healthz/", "/readyz/x", "/index.html", "/%2e%2e", "/v3/"])
def test_what_is_not_there_is_said_to_be_not_there(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert b"/v2/" in answer.content


def test_the_first_page_is_only_read(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, "/").status == 404


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that a test may stop."""
    own = Cluster()
    yield own
    own.remove()


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that must happen soon."""
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_ready(client: Client) -> bool:
    try:
        return client.get("/readyz").content == b"ready\n"
    except OSError:
        return False


def test_a_database_that_does_not_answer_is_told_until_it_answers_again(serve: Callable[..., Instance], cluster: Cluster) -> None:
    client = serve(database=cluster.new_database()).client()
    cluster.kill()
    answer = client.get("/readyz")
    assert (answer.status, answer.content.partition(b":")[0]) == (200, b"degraded")
    assert client.get("/healthz").status == 200
    refused = client.get("/v2/_catalog")
    assert (refused.status, refused.error_code) == (503, "UNAVAILABLE")
    assert refused.headers["Retry-After"] == "5"
    cluster.start()
    until(lambda: is_ready(client))
    assert client.get("/v2/_catalog").json == {"repositories": []}


def test_a_process_that_starts_while_the_database_is_not_there_says_why_and_is_replaced_until_it_serves(
    serve: Callable[..., Instance], cluster: Cluster
) -> None:
    instance = serve(database=cluster.new_database(), jobs="none")
    client, name = instance.client(), instance.database.rpartition("/")[2]
    # A pool connects anew by itself, and a database that someone is connected to cannot be renamed.
    cluster.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'entrepot'")
    cluster.query(f"ALTER DATABASE {name} RENAME TO away")
    refused = client.get("/v2/_catalog")
    assert (refused.status, refused.error_code) == (503, "UNAVAILABLE")
    os.kill(web_workers(instance.pid)[0], signal.SIGKILL)
    until(lambda: "start_failed" in instance.log_end())
    _, _, reason = instance.log_end().partition("start_failed")
    assert f'database \\"{name}\\" does not exist' in reason
    assert "Traceback" not in reason
    cluster.query(f"ALTER DATABASE away RENAME TO {name}")
    cluster.query(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    until(lambda: is_ready(client))
    assert client.get("/v2/_catalog").json == {"repositories": []}
