"""Metrics: what is counted, over all workers and their successors, and who may read it."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from entrepot import __version__
from support.http import Client, exchange
from support.instance import Instance
from support.processes import children
from support.wire import Repository, digest_of

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]
_LIMIT_S: Final = 20.0


def numbers(client: Client) -> Numbers:
    """Return every sample by name and labels, as Prometheus' own library reads the page."""
    answer = client.get("/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = text_string_to_metric_families(answer.content.decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(found: Numbers, name: str, **labels: str) -> float:
    return found.get((f"entrepot_{name}", frozenset(labels.items())), 0)


def until(client: Client, seen: Callable[[Numbers], bool]) -> Numbers:
    """Ask until the numbers are so: a request is counted when its answer has been sent already."""
    end = time.monotonic() + _LIMIT_S
    while not seen(found := numbers(client)):
        assert time.monotonic() < end, found
        time.sleep(0.02)
    return found


@pytest.mark.single
def test_requests_are_counted_by_route_method_and_status(hub: Instance, repository: str) -> None:
    client = hub.client()
    before = numbers(client)
    repo = Repository(client, repository)
    content = b"layer " * 30_000
    repo.blob(content)
    repo.image("v1")
    for path in ("manifests/v1", "manifests/v1", "manifests/none", f"blobs/{digest_of(content)}", "tags/list"):
        client.get(repo.at(path))
    client.request("HEAD", repo.at("manifests/v1"))
    client.request("OPTIONS", "/v2/")
    client.get("/healthz")
    client.get("/nothing")

    def more(found: Numbers, name: str, **labels: str) -> float:
        return value(found, name, **labels) - value(before, name, **labels)

    after = until(client, lambda found: more(found, "requests_total", route="other", method="GET", status="4xx") == 1)
    for route, method, status, count in (
        ("manifests", "GET", "2xx", 2),
        ("manifests", "GET", "4xx", 1),
        ("manifests", "HEAD", "2xx", 1),
        ("manifests", "PUT", "2xx", 1),
        ("blobs", "GET", "2xx", 1),
        ("uploads", "POST", "2xx", 3),
        ("uploads", "PUT", "2xx", 3),
        ("tags", "GET", "2xx", 1),
        ("base", "other", "4xx", 1),
        ("health", "GET", "2xx", 1),
    ):
        assert more(after, "requests_total", route=route, method=method, status=status) == count, (route, method, status)
    assert more(after, "sent_bytes_total", route="blobs") == len(content)
    assert more(after, "received_bytes_total", route="uploads") >= len(content)
    assert more(after, "request_seconds_count", route="manifests") == 5
    assert more(after, "request_seconds_bucket", route="manifests", le="+Inf") == 5
    assert 0 < more(after, "request_seconds_sum", route="manifests") < 60
    assert value(after, "transfers_running", direction="in") == value(after, "transfers_running", direction="out") == 0


def test_no_label_holds_a_name(hub: Instance, repository: str) -> None:
    Repository(hub.client(), repository).image("some-tag")
    labels = {(name, text) for _, labels in numbers(hub.client()) for name, text in labels}
    assert {name for name, _ in labels} == {"route", "method", "status", "le", "direction", "of", "version", "python"}
    assert not [text for _, text in labels if repository.partition("/")[2] in text or "some-tag" in text]
    assert ("version", __version__) in labels


def test_uploads_that_were_begun_and_room_on_the_disk_are_told(hub: Instance, repository: str) -> None:
    client = hub.client()
    before = value(numbers(client), "uploads_open")
    repo = Repository(client, repository)
    location = repo.begin()
    assert value(numbers(client), "uploads_open") == before + 1
    client.delete(location)
    found = numbers(client)
    assert value(found, "uploads_open") == before
    about = os.statvfs(hub.data)
    assert value(found, "disk_size_bytes") == about.f_blocks * about.f_frsize
    assert 0 < value(found, "disk_free_bytes") <= value(found, "disk_size_bytes")


def test_transfers_are_running_while_they_run(serve: Callable[..., Instance], repository: str) -> None:
    instance = serve()
    client = instance.client()
    repo = Repository(client, repository)
    location = repo.begin()
    head = f"PATCH {location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", instance.port), 10) as upload:
        upload.sendall(head + b"begun")
        until(client, lambda found: value(found, "transfers_running", direction="in") == 1)
    # The client has gone away.
    until(client, lambda found: value(found, "transfers_running", direction="in") == 0)
    content = os.urandom(1 << 20) * 24
    repo.blob(content)
    path = repo.at(f"blobs/{digest_of(content)}")
    with socket.create_connection(("127.0.0.1", instance.port), 10) as download:
        download.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(client, lambda found: value(found, "transfers_running", direction="out") == 1)
    until(client, lambda found: value(found, "transfers_running", direction="out") == 0)


def test_workers_count_together_and_a_workers_death_takes_nothing_away(serve: Callable[..., Instance]) -> None:
    instance = serve(workers=3)

    def ask(count: int) -> None:
        for _ in range(count):
            # A new connection each time: any of the workers may get it.
            exchange(("127.0.0.1", instance.port), b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    def counted(found: Numbers) -> float:
        return value(found, "requests_total", route="base", method="GET", status="2xx")

    threads = [threading.Thread(target=ask, args=(20,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(instance.client(), lambda found: counted(found) == 60)
    before = children(instance.pid)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + _LIMIT_S
    while len(set(children(instance.pid)) - set(before)) < len(before) and time.monotonic() < end:
        time.sleep(0.05)
    while time.monotonic() < end:
        try:
            ask(1)
            break
        except OSError:
            time.sleep(0.05)
    until(instance.client(), lambda found: counted(found) == 61)


@pytest.mark.single
def test_a_refusal_is_no_failure(hub: Instance) -> None:
    client = hub.client()
    before = numbers(client)
    for path in ("/v2/not/there/manifests/v1", "/v2/NOT/a/name/manifests/v1"):
        assert 400 <= client.get(path).status < 500

    def refused(found: Numbers) -> float:
        return sum(number for (name, labels), number in found.items() if ("status", "4xx") in labels and "requests" in name)

    found = until(client, lambda found: refused(found) >= refused(before) + 2)
    for of in ("database", "storage", "entrepot"):
        assert value(found, "failures_total", of=of) == value(before, "failures_total", of=of)


def test_a_database_that_does_not_answer_is_counted(serve: Callable[..., Instance]) -> None:
    instance = serve("broken")
    client = instance.client()
    file = instance.data / "entrepot.db"
    file.write_bytes(b"not a database" * 1000)
    assert client.get("/v2/_catalog").status == 503
    found = until(client, lambda found: value(found, "failures_total", of="database") >= 1)
    assert ("entrepot_uploads_open", frozenset()) not in found, "what cannot be told is left out"
    assert value(found, "disk_size_bytes") > 0


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via"])
def test_metrics_are_not_for_who_comes_through_a_proxy(client: Client, header: str) -> None:
    answer = client.get("/metrics", headers={header: "1.1 somewhere"})
    assert answer.status == 403
    assert b"metrics are for this machine and the networks of --metrics-allow" in answer.content
    assert header.lower() in answer.content.decode()


def test_metrics_are_only_read(client: Client) -> None:
    assert client.post("/metrics").status == 404
    head = client.head("/metrics")
    assert (head.status, head.content) == (200, b"")


def test_a_scraper_may_call_this_machine_as_it_likes(client: Client) -> None:
    assert client.get("/metrics", headers={"Host": "registry.internal:5000"}).status == 200


def test_counting_takes_no_time_that_a_pull_would_notice() -> None:
    from entrepot.web.shared.call import Call  # noqa: PLC0415
    from entrepot.web.shared.meters import MANIFESTS, Meters  # noqa: PLC0415
    from entrepot.web.shared.request_ids import RequestIds  # noqa: PLC0415

    meters = Meters(2, 0)
    meters.begin()
    call = Call({"method": "GET", "raw_path": b"/", "headers": []}, asyncio.sleep, RequestIds())  # type: ignore[arg-type]
    call.kind = MANIFESTS
    took = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1000):
            meters.count(call, 200, 0.003)
        took.append((time.perf_counter() - began) / 1000)
    assert min(took) < 10e-6
