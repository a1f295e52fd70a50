"""What clients of one address may have at a time: open uploads, and requests with a body."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from entrepot.base.settings import Settings
from support.http import Answer, Client
from support.instance import Instance
from support.parts import sql
from support.processes import web_workers
from support.wire import Repository, digest_of

OTHER = "127.0.0.2"


def check_refused(answer: Answer, retry_after: str, *words: str) -> None:
    """Check that a request was refused for being one too many, with what to do."""
    assert (answer.status, answer.error_code) == (429, "TOOMANYREQUESTS")
    assert answer.headers["Retry-After"] == retry_after
    message = answer.json["errors"][0]["message"]
    assert all(word in message for word in words), message


def elsewhere(hub: Instance, name: str) -> Repository:
    """Return a repository as a client at another address sees it."""
    return Repository(Client(hub.url, source=OTHER), name)


def test_an_address_may_have_so_many_uploads_open_and_no_more(serve: Callable[..., Instance], database_url: str) -> None:
    hub = serve(database=database_url, uploads_per_address=3)
    repo = Repository(hub.client(), "team/app")
    locations = [repo.begin() for _ in range(3)]
    refused = repo.client.post(repo.at("blobs/uploads/"))
    check_refused(refused, "60", "127.0.0.1 has 3 uploads open", "finish or cancel", "for 900 seconds", "--uploads-per-address")
    whole = repo.client.post(repo.at(f"blobs/uploads/?digest={digest_of(b'abc')}"), body=b"abc")
    check_refused(whole, "60")
    assert not repo.has_blob(digest_of(b"abc"))
    assert repo.client.post("/v2/never/made/blobs/uploads/").status == 429
    assert elsewhere(hub, "team/app").begin(), "another address has its own"
    assert repo.client.patch(locations[0], body=b"abc").status == 202, "what is begun goes on"
    assert repo.finish(locations[0], digest_of(b"abc")).status == 201
    locations[0] = repo.begin()
    assert repo.client.post(repo.at("blobs/uploads/")).status == 429
    assert repo.client.delete(locations[1]).status == 204
    repo.begin()
    mounted = repo.client.post(f"/v2/team/other/blobs/uploads/?mount={digest_of(b'abc')}&from=team/app")
    assert mounted.status == 201, "a mount opens none"


def test_uploads_that_have_expired_do_not_count_and_the_limit_holds_across_processes_and_starts(
    serve: Callable[..., Instance], database_url: str
) -> None:
    hub = serve(database=database_url, uploads_per_address=8, workers=2, jobs="none")
    for _ in range(8):
        Repository(hub.client(), "team/app").begin()
    refused = [Repository(hub.client(), "team/app").client.post("/v2/team/app/blobs/uploads/").status for _ in range(10)]
    assert refused == [429] * 10
    hub.restart()
    repo = Repository(hub.client(), "team/app")
    assert repo.client.post(repo.at("blobs/uploads/")).status == 429
    asyncio.run(sql(Settings(data=str(hub.data), database=hub.database), "UPDATE upload SET expires_at = 1"))
    assert repo.begin()


@pytest.mark.parametrize("lifetime", [60, 3600, 86_400])
def test_uploads_that_rest_for_a_quarter_of_an_hour_do_not_count(
    serve: Callable[..., Instance], database_url: str, lifetime: int
) -> None:
    hub = serve(database=database_url, uploads_per_address=2, upload_lifetime=lifetime, jobs="none")
    repo = Repository(hub.client(), "team/app")
    settings = Settings(data=str(hub.data), database=hub.database)

    def pass_by(seconds: int) -> None:
        earlier = seconds * 1_000_000
        values = f"progressed_at = progressed_at - {earlier}, expires_at = expires_at - {earlier}"
        asyncio.run(sql(settings, f"UPDATE upload SET {values}"))  # noqa: S608 - a number of ours

    begun = repo.begin(), repo.begin()
    pass_by(min(890, lifetime - 10))
    assert repo.client.post(repo.at("blobs/uploads/")).status == 429
    pass_by(20)
    if lifetime > 900:
        assert repo.client.patch(begun[0], body=b"some").status == 202, "it is there, and counts again"
    else:
        repo.begin()
    repo.begin()
    assert repo.client.post(repo.at("blobs/uploads/")).status == 429


def test_uploads_begun_when_they_were_kept_longer_count_no_longer(serve: Callable[..., Instance], database_url: str) -> None:
    hub = serve(database=database_url, uploads_per_address=2, upload_lifetime=3600, jobs="none")
    repo = Repository(hub.client(), "team/app")
    repo.begin(), repo.begin()
    rested = "UPDATE upload SET progressed_at = progressed_at - 901000000, expires_at = expires_at + 80000000000"
    asyncio.run(sql(Settings(data=str(hub.data), database=hub.database), rested))
    assert repo.begin()


def test_no_limit_is_0(serve: Callable[..., Instance]) -> None:
    repo = Repository(serve(uploads_per_address=0, bodies_per_address=0).client(), "team/app")
    for _ in range(30):
        repo.begin()


def becomes(expected: int, ask: Callable[[], int]) -> None:
    """Wait until the server has noticed."""
    end = time.monotonic() + 10
    while (found := ask()) != expected:
        assert time.monotonic() < end, f"{found}, not {expected}"
        time.sleep(0.05)


def under_way(hub: Instance) -> int:
    """Return how many requests that write are running."""
    told = hub.client().get("/metrics").content.decode()
    found = re.search(r'^entrepot_transfers_running\{direction="in"\} (\d+)$', told, re.MULTILINE)
    assert found is not None, told
    return int(found[1])


@contextmanager
def bodies(hub: Instance, count: int, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Begin so many bodies, of two bytes of ten, and hold them open."""
    repo = Repository(Client(hub.url, source=OTHER), "team/held")
    with ExitStack() as stack:
        held = []
        for _ in range(count):
            each = stack.enter_context(socket.create_connection(("127.0.0.1", hub.port), 10, source_address=(source, 0)))
            each.sendall(f"PATCH {repo.begin()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nab".encode())
            held.append(each)
        becomes(count, lambda: under_way(hub))
        yield held


def test_an_address_may_send_so_many_bodies_at_a_time_to_all_workers_together(serve: Callable[..., Instance]) -> None:
    hub = serve(workers=2, bodies_per_address=12)

    def put(client: Client) -> Answer:
        return client.put("/v2/team/app/manifests/v1", body=b"{}")

    with bodies(hub, 12) as held:
        for _ in range(6):  # to both workers: each client has a connection of its own
            check_refused(put(hub.client()), "5", "127.0.0.1 is sending 12 requests with a body", "--bodies-per-address")
        assert put(Client(hub.url, source=OTHER)).status == 400, "it is read, and refused for what it says"
        assert hub.client().get("/v2/_catalog").status == 200, "what brings no body is answered"
        assert Repository(hub.client(), "team/app").begin()
        held[0].close()
        becomes(400, lambda: put(hub.client()).status)
    becomes(400, lambda: put(hub.client()).status)


def test_the_bodies_of_a_worker_that_died_are_forgotten(serve: Callable[..., Instance]) -> None:
    hub = serve(workers=1, jobs="none", bodies_per_address=2)
    with bodies(hub, 2):
        assert hub.client().put("/v2/team/app/manifests/v1", body=b"{}").status == 429
        os.kill(web_workers(hub.pid)[0], signal.SIGKILL)

        def status() -> int:
            try:
                return hub.client().put("/v2/team/app/manifests/v1", body=b"{}").status
            except OSError:
                return 0

        becomes(400, status)


@pytest.mark.parametrize("announced", ["Content-Length: 2", "Transfer-Encoding: chunked"])
def test_a_body_counts_however_it_is_announced(serve: Callable[..., Instance], announced: str) -> None:
    hub = serve(bodies_per_address=1)
    with socket.create_connection(("127.0.0.1", hub.port), 10) as held:
        held.sendall(f"PUT /v2/team/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n{announced}\r\n\r\n".encode())
        becomes(1, lambda: under_way(hub))
        assert hub.client().put("/v2/team/app/manifests/v1", body=b"{}").status == 429
