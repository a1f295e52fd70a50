"""A certificate is renewed while clients come, go, and transfer: nobody notices but by the new certificate."""

import hashlib
import os
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.certificates import Authority, serial_of, served_serial
from support.counts import examples
from support.instance import Instance
from support.processes import children, web_workers

MIB: Final = 1 << 20
CONTENT: Final = os.urandom(MIB) * examples(47, 1024)
DIGEST: Final = images.sha256(CONTENT)
SLOW_S: Final = examples(47, 120)  # a transfer's time: longer than a retired server waits before it ends
_FAST: Final = 3
_SLOW: Final = 16
_WORKERS_LIMIT_S: Final = 15.0  # a worker looks once a second
_TOOK_LIMIT_S: Final = 14.0  # the files are looked at every 10 s


def _secure(instance: Instance, *, pause_s: float = 0.0) -> ssl.SSLSocket:
    """Connect; `pause_s` is what a far client lets pass between TCP's handshake and TLS's."""
    plain = socket.create_connection(("127.0.0.1", instance.port), 30)
    time.sleep(pause_s)
    return ssl.create_default_context(cafile=instance.trusts).wrap_socket(plain, server_hostname="localhost")


@dataclass
class Comers:
    """Clients that come all the time, one connection for each request, some of them from far away, and one that stays."""

    instance: Instance
    served: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> list[threading.Thread]:
        """Start them."""
        kinds = [(self._come, 0.0)] * _FAST + [(self._come, 0.3)] * _SLOW + [(self._stay, 0.4)]
        threads = [threading.Thread(target=kind, args=(pause_s,), daemon=True) for kind, pause_s in kinds]
        for thread in threads:
            thread.start()
        return threads

    def _come(self, pause_s: float) -> None:
        while not self.over.is_set():
            try:
                with _secure(self.instance, pause_s=pause_s) as connection:
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = connection.makefile("rb").read()
                    assert answer.endswith(b"alive\n"), answer
                self.served["far" if pause_s else "near"] += 1
            except (OSError, AssertionError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            time.sleep(0.03)

    def _stay(self, pause_s: float) -> None:
        client = self.instance.client()
        while not self.over.is_set():
            try:
                assert client.get("/v2/").status == 200
                self.served["staying"] += 1
            except OSError as error:
                self.failures.append(f"staying: {error}")
            time.sleep(pause_s)


class Download(threading.Thread):
    """Reads a blob slowly, on a connection that it keeps afterwards."""

    def __init__(self, instance: Instance, digest: str) -> None:
        super().__init__(daemon=True)
        self._connection = _secure(instance)
        self._digest = digest
        self.received = hashlib.sha256()

    def run(self) -> None:
        """Ask, and read a mebibyte a second."""
        with self._connection as connection, connection.makefile("rb") as answer:
            connection.sendall(f"GET /v2/slow/one/blobs/{self._digest} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while answer.readline() != b"\r\n":
                pass
            for _ in range(len(CONTENT) // MIB):
                self.received.update(answer.read(MIB))
                time.sleep(SLOW_S * MIB / len(CONTENT))


class Upload(threading.Thread):
    """Sends a blob slowly, in one PUT."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(daemon=True)
        self._client = instance.client()
        self.status = 0

    def run(self) -> None:
        """Begin the upload and send a mebibyte a second."""
        began = self._client.post("/v2/slow/two/blobs/uploads/").headers["location"]
        headers = {"Content-Length": str(len(CONTENT))}
        self.status = self._client.put(f"{began}?digest={DIGEST}", body=self._pieces(), headers=headers).status

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(CONTENT), MIB):
            yield CONTENT[start : start + MIB]
            time.sleep(SLOW_S * MIB / len(CONTENT))


class Mounted:
    """A folder as Kubernetes mounts a secret: the files are links through `..data`, which is switched in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        folder.mkdir()

    def put(self, certificate: Path, key: Path) -> None:
        """Switch to these."""
        self._number += 1
        version = self._folder / f"..{self._number}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate.read_bytes())
        (version / "tls.key").write_bytes(key.read_bytes())
        (self._folder / "..new").symlink_to(version.name)
        (self._folder / "..new").rename(self._folder / "..data")
        for name in ("tls.crt", "tls.key"):
            if not (self._folder / name).is_symlink():
                (self._folder / name).symlink_to(f"..data/{name}")

    def replace(self, name: str, content: bytes) -> None:
        """Put a file of its own in the place of a link, as programs do that write beside it and rename."""
        scratch = self._folder / "scratch"
        scratch.write_bytes(content)
        scratch.rename(self._folder / name)


@dataclass
class Story:
    """What happened while the certificate was renewed three times."""

    comers: Comers
    download: Download
    upload: Upload
    instance: Instance
    workers: tuple[set[int], set[int]] = (set(), set())
    fresh: tuple[int, int] = (0, 0)
    steps: dict[str, object] = field(default_factory=dict)


def _wait_for(instance: Instance, event: str, times: int, limit_s: float) -> float:
    began = time.monotonic()
    while _told(instance, event) < times:
        assert time.monotonic() < began + limit_s, f"{event} not told {times} times in {limit_s} s:\n{instance.log_end()}"
        time.sleep(0.1)
    return time.monotonic() - began


def _told(instance: Instance, event: str) -> int:
    return instance.log.read_text("utf-8").count(f" {event} ")


def _serials(instance: Instance) -> set[int]:
    return {served_serial(instance.port, trusts=instance.trusts) for _ in range(12)}


def _all_serve(instance: Instance, serial: int) -> bool:
    """Wait until every worker has looked, and shows this certificate."""
    end = time.monotonic() + _WORKERS_LIMIT_S
    while _serials(instance) != {serial}:
        if time.monotonic() > end:
            return False
    return True


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Renew three times while transfers run that began before, and go on until they have ended."""
    folder = tmp_path_factory.mktemp("renewing")
    authority = Authority.make(folder / "authority")
    pairs = [authority.sign(f"pair{number}") for number in range(4)]
    serials = [serial_of(certificate.read_bytes()) for certificate, _ in pairs]
    secret = Mounted(folder / "secret")
    secret.put(*pairs[0])
    files: dict[str, object] = {"tls": folder / "secret" / "tls.crt", "tls_key": folder / "secret" / "tls.key"}
    with Instance(folder / "data", trusts=authority.file, workers=2, **files) as instance:  # type: ignore[arg-type]  # as in conftest.py
        images.push_blob(instance.client(), "slow/one", images.blob("application/octet-stream", CONTENT))
        told = Story(Comers(instance), Download(instance, DIGEST), Upload(instance), instance)
        workers_before = set(children(instance.pid))
        told.fresh = _held(instance)
        threads = [told.download, told.upload]
        for thread in threads:
            thread.start()
        threads += told.comers.begin()
        time.sleep(1)
        told.steps["at first"] = _all_serve(instance, serials[0])
        secret.put(*pairs[1])
        os.kill(instance.pid, signal.SIGHUP)
        told.steps["by signal, in s"] = _wait_for(instance, "certificate_renewed", 1, 6.0)
        told.steps["by signal"] = _all_serve(instance, serials[1])
        secret.replace("tls.crt", pairs[2][0].read_bytes())
        os.kill(instance.pid, signal.SIGHUP)
        told.steps["refused, in s"] = _wait_for(instance, "certificate_refused", 1, 6.0)
        time.sleep(1.5)  # a worker looks once a second: time enough to see what it must not see
        told.steps["half written"] = _serials(instance) == {serials[1]}
        secret.replace("tls.key", pairs[2][1].read_bytes())
        told.steps["by itself, in s"] = _wait_for(instance, "certificate_renewed", 2, _TOOK_LIMIT_S)
        told.steps["whole"] = _all_serve(instance, serials[2])
        for thread in threads[:2]:
            thread.join(SLOW_S + examples(40, 1200))
            assert not thread.is_alive()
        told.comers.over.set()
        for thread in threads[2:]:
            thread.join(30)
        told.steps["at last"] = _all_serve(instance, serials[2])
        told.workers = (workers_before, set(children(instance.pid)))
        yield told


@pytest.mark.parametrize("step", ["at first", "by signal", "half written", "whole", "at last"])
def test_new_connections_see_the_certificate_that_is_in_force(story: Story, step: str) -> None:
    assert story.steps[step] is True


def test_nobody_is_refused_or_reset_meanwhile(story: Story) -> None:
    assert story.comers.failures == []
    assert story.comers.served["near"] > 500
    assert story.comers.served["far"] > 500
    assert story.comers.served["staying"] > 50


def test_a_download_that_began_before_ends_whole(story: Story) -> None:
    assert f"sha256:{story.download.received.hexdigest()}" == DIGEST


def test_an_upload_that_began_before_ends_whole(story: Story) -> None:
    assert story.upload.status == 201
    got = story.instance.client().get(f"/v2/slow/two/blobs/{DIGEST}")
    assert images.sha256(got.content) == DIGEST


def test_what_is_half_written_is_told_once_with_its_reason(story: Story) -> None:
    log = story.instance.log.read_text("utf-8")
    assert _told(story.instance, "certificate_refused") == 1
    assert _told(story.instance, "certificate_renewed") == 2
    assert "does not belong to the certificate" in log
    assert "worker_died" not in log


def test_no_process_was_replaced(story: Story) -> None:
    before, after = story.workers
    assert before == after


def test_what_was_retired_leaves_nothing_behind(story: Story) -> None:
    """Two servers of each worker were retired; their threads and descriptors go with them when their transfers have ended."""
    before = story.fresh
    end = time.monotonic() + 30
    while (after := _held(story.instance))[0] > before[0] + 2 and time.monotonic() < end:
        time.sleep(0.5)
    assert after[0] <= before[0] + 2  # a thread of SQLite's and one of asyncio's may have come
    assert after[1] <= before[1] + 8


def _held(instance: Instance) -> tuple[int, int]:
    """Return the most threads and the most descriptors that one of the workers has."""
    pids = web_workers(instance.pid)
    counts = [tuple(len(list(Path(f"/proc/{pid}/{what}").iterdir())) for what in ("task", "fd")) for pid in pids]
    return max(count[0] for count in counts), max(count[1] for count in counts)
