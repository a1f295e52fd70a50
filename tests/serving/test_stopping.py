"""How serving ends and goes on: a stop in two steps, a worker that dies, a port that is taken, signals that mean nothing."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.http import Client
from support.instance import RUNNING, Instance
from support.processes import accepts, free_port, web_workers
from support.sources import run_command

MIB: Final = 1 << 20
CONTENT: Final = os.urandom(MIB) * 24


class Download(threading.Thread):
    """Reads a blob slowly enough that it still runs when the server is told to stop."""

    def __init__(self, instance: Instance, digest: str, *, pause_s: float) -> None:
        super().__init__(daemon=True)
        self._connection = socket.create_connection(("127.0.0.1", instance.port), 60)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 10)
        self._path = f"/v2/slow/one/blobs/{digest}"
        self._pause_s = pause_s
        self.begun = threading.Event()
        self.received = b""

    def run(self) -> None:
        """Ask, and read a mebibyte at a time."""
        with self._connection as connection, connection.makefile("rb") as answer:
            connection.sendall(f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            while answer.readline() != b"\r\n":
                pass
            parts = []
            try:
                while part := answer.read(MIB):
                    parts.append(part)
                    self.begun.set()
                    time.sleep(self._pause_s)
            except ConnectionError:
                self.begun.set()
            self.received = b"".join(parts)


class Upload(threading.Thread):
    """Sends a blob slowly in one PUT."""

    def __init__(self, instance: Instance, content: bytes, *, pause_s: float) -> None:
        super().__init__(daemon=True)
        self._client = instance.client()
        self._content = content
        self._pause_s = pause_s
        self.digest = images.sha256(content)
        self.begun = threading.Event()
        self.status = 0

    def run(self) -> None:
        """Push it."""
        place = self._client.post("/v2/slow/one/blobs/uploads/").headers["location"]
        try:
            done = self._client.put(
                f"{place}?digest={self.digest}", body=self._pieces(), headers={"Transfer-Encoding": "chunked"}
            )
            self.status = done.status
        except OSError:
            self.status = -1

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), MIB):
            yield self._content[start : start + MIB]
            self.begun.set()
            time.sleep(self._pause_s)


def with_blob(instance: Instance, content: bytes = CONTENT) -> str:
    images.push_blob(instance.client(), "slow/one", images.blob(images.LAYER, content))
    return images.sha256(content)


def ends(instance: Instance, limit_s: float) -> int:
    """Wait until the instance has ended and return its exit code."""
    RUNNING.discard(instance)
    return int(instance._server.process.wait(limit_s))


def test_at_a_stop_readiness_fails_first_and_what_runs_may_finish(serve: Callable[..., Instance]) -> None:
    instance = serve(shutdown_delay=2, shutdown_limit=30, workers=2)
    download = Download(instance, with_blob(instance), pause_s=0.12)
    upload = Upload(instance, os.urandom(MIB) * 20, pause_s=0.15)
    for transfer in (download, upload):
        transfer.start()
    assert download.begun.wait(10)
    assert upload.begun.wait(10)
    os.kill(instance.pid, signal.SIGTERM)
    time.sleep(0.4)
    # A balancer looks elsewhere from now on, while whoever is still sent here is served.
    assert instance.client().get("/readyz").status == 503
    assert instance.client().get("/healthz").status == 200
    assert instance.client().get("/v2/").status == 200
    time.sleep(2.2)
    assert not accepts(instance.port)
    assert ends(instance, 30) == 0
    download.join(10)
    upload.join(10)
    assert hashlib.sha256(download.received).digest() == hashlib.sha256(CONTENT).digest()
    assert upload.status == 201
    instance.restart()
    assert instance.client().head(f"/v2/slow/one/blobs/{upload.digest}").status == 200


def test_the_limit_ends_what_takes_too_long(serve: Callable[..., Instance]) -> None:
    instance = serve(shutdown_limit=1)
    digest = with_blob(instance)
    upload = Upload(instance, CONTENT, pause_s=60)
    upload.start()
    assert upload.begun.wait(10)
    begun = time.monotonic()
    os.kill(instance.pid, signal.SIGTERM)
    assert ends(instance, 15) == 0
    assert 0.5 < time.monotonic() - begun < 10
    instance.restart()
    assert instance.client().head(f"/v2/slow/one/blobs/{digest}").status == 200


def test_a_second_signal_does_not_wait(serve: Callable[..., Instance]) -> None:
    instance = serve(shutdown_delay=60)
    os.kill(instance.pid, signal.SIGTERM)
    time.sleep(0.3)
    assert instance.client().get("/readyz").status == 503
    os.kill(instance.pid, signal.SIGTERM)
    assert ends(instance, 10) == 0


@pytest.mark.parametrize("tls", ["", "self-signed"])
def test_a_worker_that_is_told_to_end_again_and_again_ends_when_its_transfer_has(
    serve: Callable[..., Instance], tls: str
) -> None:
    instance = serve(shutdown_limit=40, **({"tls": tls} if tls else {}))
    upload = Upload(instance, os.urandom(MIB) * 20, pause_s=0.1)
    upload.start()
    assert upload.begun.wait(10)
    [worker] = workers(instance)
    for _ in range(5):  # a service manager, the supervisor and an impatient operator
        os.kill(worker, signal.SIGTERM)
        time.sleep(0.1)
    begun = time.monotonic()
    os.kill(instance.pid, signal.SIGTERM)
    assert ends(instance, 60) == 0
    assert time.monotonic() - begun < 15, "it was killed at its limit"
    upload.join(10)
    assert upload.status == 201


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once_with_success(serve: Callable[..., Instance], number: signal.Signals) -> None:
    instance = serve()
    begun = time.monotonic()
    os.kill(instance.pid, number)
    assert ends(instance, 10) == 0
    assert time.monotonic() - begun < 5
    assert "Traceback" not in instance.log_end()


def workers(instance: Instance) -> list[int]:
    """Return the processes that serve: the supervisor's children but for the one that runs jobs."""
    return web_workers(instance.pid)


def test_a_worker_that_dies_is_replaced_and_serving_goes_on(serve: Callable[..., Instance], database_url: str) -> None:
    instance = serve(workers=2, database=database_url)
    image = images.simple_image(1)
    images.push(instance.client(), "team/one", image, "v1")
    before = workers(instance)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    end = time.monotonic() + 20
    while len(set(workers(instance)) - {before[0]}) < 2:
        assert time.monotonic() < end, "the worker was not replaced"
        time.sleep(0.05)
    asked = 0
    while asked < 40:
        try:
            assert Client(instance.url).get("/v2/team/one/manifests/v1").content == image.manifest.content
            asked += 1
        except OSError:
            assert time.monotonic() < end, "it does not answer any more"
    assert before[1] in workers(instance)


def test_workers_share_the_port_and_what_one_wrote_the_other_reads(serve: Callable[..., Instance], database_url: str) -> None:
    instance = serve(workers=2, database=database_url)
    # Every client has a connection of its own, which the kernel gives to one of the workers.
    for number in range(20):
        images.push(Client(instance.url), "team/shared", images.simple_image(number), f"v{number}")
        assert Client(instance.url).get(f"/v2/team/shared/manifests/v{number}").status == 200
    used = [_cpu_ticks(pid) for pid in workers(instance)]
    assert len(used) == 2
    assert all(ticks > 0 for ticks in used), "one worker did nothing"


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_closed_terminal_does_no_harm(serve: Callable[..., Instance]) -> None:
    instance = serve(workers=2)
    images.push(instance.client(), "team/one", images.simple_image(1), "v1")
    os.kill(instance.pid, signal.SIGHUP)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert Client(instance.url).get("/v2/team/one/manifests/v1").status == 200
        time.sleep(0.05)
    instance.stop()


def test_a_taken_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run_command("serve", "--data", str(tmp_path / "data"), "--listen", address)
    assert done.returncode == 1
    assert f"{address} cannot be listened on" in done.stdout
    assert "--listen" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_second_server_on_the_same_port_does_not_start(serve: Callable[..., Instance], tmp_path: Path) -> None:
    instance = serve()
    address = f"127.0.0.1:{instance.port}"
    done = run_command("serve", "--data", str(tmp_path / "other"), "--listen", address)
    assert done.returncode == 1
    assert f"{address} cannot be listened on" in done.stdout
    assert instance.client().get("/readyz").status == 200


def test_a_port_that_was_just_left_can_be_listened_on_again(serve: Callable[..., Instance]) -> None:
    instance = serve()
    for _ in range(3):
        assert instance.client().get("/v2/").status == 200
        instance.restart()
    assert free_port() != instance.port
