"""HTTPS as clients see it: protocols, names, what is said about the certificate, and what a start refuses."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.certificates import Authority, new_key, openssl, serial_of, served_serial
from support.commands import run
from support.http import Client, exchange
from support.instance import Instance, surroundings
from support.processes import Server, free_port

_PAST = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
_FUTURE = ("-startdate", "20990101000000Z", "-enddate", "20990201000000Z")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance with a chain of two and its key in the same file."""
    below = authority.intermediate()
    certificate, key = below.sign("served")
    folder = tmp_path_factory.mktemp("secure")
    file = folder / "all.pem"
    file.write_bytes(certificate.read_bytes() + below.file.read_bytes() + key.read_bytes())
    file.chmod(0o600)
    with Instance(folder / "data", trusts=authority.file, tls=file) as instance:
        yield instance


def _handshake(instance: Instance, *options: str) -> str:
    """Return what openssl says of a handshake with these options."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.port}", "-CAfile", str(instance.trusts), *options]
    # Level 0 lets openssl itself offer the protocols of old, so that it is the server that refuses them.
    done = subprocess.run([*command, "-cipher", "DEFAULT:@SECLEVEL=0"], input=b"", capture_output=True, timeout=30, check=False)
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize(("option", "name"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_current_protocols_are_spoken_and_the_chain_is_whole(secure: Instance, option: str, name: str) -> None:
    said = _handshake(secure, option)
    assert f"New, {name}, Cipher is" in said or f"Protocol  : {name}" in said
    assert "Verify return code: 0 (ok)" in said


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_protocols_of_old_are_refused(secure: Instance, option: str) -> None:
    said = _handshake(secure, option)
    assert "alert handshake failure" in said
    assert "Cipher is (NONE)" in said


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("h2,http/1.1", "ALPN protocol: http/1.1"), ("http/1.1", "ALPN protocol: http/1.1"), ("h2", "no application protocol")],
)
def test_only_http_1_1_is_agreed_on(secure: Instance, offered: str, chosen: str) -> None:
    assert chosen in _handshake(secure, "-alpn", offered)


def test_plain_http_is_told_nothing_and_closed(secure: Instance) -> None:
    said = exchange(("127.0.0.1", secure.port), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert said.startswith(b"\x15\x03")  # a TLS alert, and no HTTP
    assert len(said) == 7


def test_health_is_told_over_tls(secure: Instance) -> None:
    assert secure.client().get("/healthz").content == b"alive\n"


def test_readiness_tells_until_when_the_certificate_is_valid(secure: Instance) -> None:
    answer = secure.client().get("/readyz")
    state, until = answer.content.decode().splitlines()
    assert (answer.status, state) == (200, "ready")
    assert time.strptime(until, "certificate valid until %Y-%m-%dT%H:%M:%SZ") > time.gmtime()


def test_metrics_tell_when_the_certificate_runs_out(secure: Instance) -> None:
    page = secure.client().get("/metrics").content.decode()
    value = next(
        line.split()[1] for line in page.splitlines() if line.startswith("entrepot_certificate_expires_timestamp_seconds")
    )
    assert 29 * 86_400 < int(value) - time.time() < 31 * 86_400


def test_the_front_page_says_https(secure: Instance) -> None:
    page = secure.client().get("/", headers={"Host": "localhost:5000"}).content.decode()
    assert "https://localhost:5000/v2/_catalog" in page
    assert "http://" not in page


def test_an_upload_goes_to_a_path_and_not_to_a_scheme(secure: Instance) -> None:
    assert secure.client().post("/v2/a/b/blobs/uploads/").headers["location"].startswith("/v2/a/b/blobs/uploads/")


def test_silent_clients_hold_nobody_up_and_are_sent_away(secure: Instance) -> None:
    """500 clients connect and say nothing: others are answered meanwhile, and the silent ones are closed after ten seconds."""
    with contextlib.ExitStack() as open_:
        silent = [open_.enter_context(socket.create_connection(("127.0.0.1", secure.port), 30)) for _ in range(500)]
        began = time.monotonic()
        for _ in range(20):
            assert served_serial(secure.port, trusts=secure.trusts)
        # Nobody had to wait for these to be sent away: not one of them has anything to read, an end neither.
        assert select.select(silent, [], [], 0)[0] == []
        assert {connection.recv(1) for connection in silent} == {b""}
        assert time.monotonic() - began > 5


def test_a_key_is_in_no_file_that_the_server_has_open(secure: Instance) -> None:
    pids = [secure.pid, *map(int, subprocess.check_output(["pgrep", "-P", str(secure.pid)]).split())]
    targets = [str(link.readlink()) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    assert [target for target in targets if "entrepot-certificate" in target or target.endswith(".pem")] == []


def test_an_expired_certificate_is_served_and_told(serve: Callable[..., Instance], authority: Authority, tmp_path: Path) -> None:
    """The service is not kept from starting by it: it must be there to take the renewed one, which it does."""
    certificate, key = authority.sign("expired", dates=_PAST)
    (tmp_path / "c.pem").write_bytes(certificate.read_bytes())
    (tmp_path / "k.pem").write_bytes(key.read_bytes())
    instance = _unverified(serve, tmp_path, authority)
    log = instance.log.read_text("utf-8")
    assert "certificate_invalid" in log
    assert "the certificate expired on 2020-02-01T00:00:00Z" in log
    said = subprocess.check_output(["curl", "-sk", f"{instance.url}/readyz"]).decode()
    assert said == "ready\ncertificate valid until 2020-02-01T00:00:00Z\nwarning: the certificate has expired\n"
    renewed, key = authority.sign("renewed")
    (tmp_path / "c.pem").write_bytes(renewed.read_bytes())
    (tmp_path / "k.pem").write_bytes(key.read_bytes())
    _hang_up(instance, "certificate_renewed")
    _serves_only(instance, serial_of(renewed.read_bytes()).__eq__)
    assert instance.client().get("/readyz").status == 200


def _unverified(serve: Callable[..., Instance], folder: Path, authority: Authority) -> Instance:
    """Start where the helper's own probe cannot verify: it asks until the log says that a process serves."""
    return serve(trusts=authority.file, tls=folder / "c.pem", tls_key=folder / "k.pem", unverified=True)


def _hang_up(instance: Instance, event: str, times: int = 1) -> None:
    os.kill(instance.pid, signal.SIGHUP)
    _wait(lambda: instance.log.read_text("utf-8").count(f" {event} ") >= times, instance)


def _wait(happened: Callable[[], bool], instance: Instance) -> None:
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, instance.log_end()
        time.sleep(0.05)


def _serves_only(instance: Instance, fits: Callable[[int], bool]) -> None:
    """Wait until all new connections are shown such a certificate, whoever signed it: each worker looks once a second."""
    _wait(lambda: all(fits(served_serial(instance.port)) for _ in range(8)), instance)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file, *_: file.unlink(), "No such file or directory"),
        (lambda file, *_: file.write_bytes(b""), "holds no certificate in PEM form"),
        (lambda file, *_: file.write_bytes(file.read_bytes()[:300]), "a part of it has no end"),
        (lambda file, key, authority: _put(file, key, *authority.sign("past", dates=_PAST)), "expired on 2020-02-01"),
        (lambda file, key, authority: _put(file, key, *authority.sign("later", dates=_FUTURE)), "valid only from 2099"),
        (lambda file, key, authority: _put(file, key, *_version_1(authority)), "UnsupportedCertVersion"),
    ],
    ids=["removed", "emptied", "cut", "expired", "not yet valid", "of version 1"],
)
def test_what_cannot_be_served_is_not_adopted(
    serve: Callable[..., Instance], authority: Authority, tmp_path: Path, change: Callable[..., object], reason: str
) -> None:
    certificate, key = authority.sign("kept")
    _put(tmp_path / "c.pem", tmp_path / "k.pem", certificate, key)
    instance = serve(trusts=authority.file, tls=tmp_path / "c.pem", tls_key=tmp_path / "k.pem")
    change(tmp_path / "c.pem", tmp_path / "k.pem", authority)
    _hang_up(instance, "certificate_refused")
    _hang_up(instance, "certificate_refused")  # looked at again, and told only once
    time.sleep(1.5)  # a worker looks once a second: time enough to see what it must not see
    log = instance.log.read_text("utf-8")
    assert log.count("certificate_refused") == 1
    assert reason in log
    assert served_serial(instance.port, trusts=authority.file) == serial_of(certificate.read_bytes())
    assert "worker_died" not in log


def _put(file: Path, key_file: Path, certificate: Path, key: Path) -> None:
    file.write_bytes(certificate.read_bytes())
    key_file.write_bytes(key.read_bytes())


def _version_1(authority: Authority) -> tuple[Path, Path]:
    key, request, file = (authority.folder / f"v1.{kind}" for kind in ("key", "csr", "crt"))
    openssl("req", "-new", "-key", new_key(key), "-subj", "/CN=old", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", authority.file, "-CAkey", authority.key, "-days", "9", "-out", file)
    return file, key


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tls", "none.pem"), "HTTPS cannot be served with none.pem: No such file or directory. Correct --tls and --tls-key"),
        (("--tls-key", "k.pem"), "--tls-key names a key, but --tls is not set"),
        (("--tls", "self-signed", "--tls-key", "k.pem"), "--tls-key names a key, but --tls makes its own"),
    ],
)
def test_a_start_that_cannot_serve_says_why_and_ends_with_1(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = run("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:1", *words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_start_with_what_the_server_cannot_use_says_so(authority: Authority, tmp_path: Path) -> None:
    certificate, key = _version_1(authority)
    words = ("--tls", str(certificate), "--tls-key", str(key))
    done = run("serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:1", *words)
    assert done.returncode == 1
    assert "the server cannot use the certificate (InvalidCertificate" in done.stderr


def test_every_worker_that_is_replaced_serves_the_certificate_in_force(
    serve: Callable[..., Instance], authority: Authority, tmp_path: Path
) -> None:
    files = tmp_path / "c.pem", tmp_path / "k.pem"
    _put(*files, *authority.sign("first"))
    instance = serve(trusts=authority.file, tls=files[0], tls_key=files[1], jobs="none")
    _put(*files, *authority.sign("second"))
    _hang_up(instance, "certificate_renewed")
    _serves_only(instance, serial_of(files[0].read_bytes()).__eq__)
    worker = int(subprocess.check_output(["pgrep", "-P", str(instance.pid)]).split()[0])
    os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + 30
    serial = 0
    while not serial and time.monotonic() < end:
        with contextlib.suppress(OSError):
            serial = served_serial(instance.port, trusts=authority.file)
    assert serial == serial_of(files[0].read_bytes())
    assert json.loads(run("tls", "--json", "--tls", str(files[0]), "--tls-key", str(files[1])).stdout)["serial"] == f"{serial:x}"


def test_a_certificate_of_our_own_is_made_anew_while_serving_before_it_ends(serve: Callable[..., Instance]) -> None:
    instance = serve(tls="self-signed", jobs="none")
    folder = instance.data / "tls"
    own = Authority(instance.data, folder / "ca.crt", folder / "ca.key")
    certificate, key = own.sign("short", dates=("-days", "29"))
    scratch = folder / "scratch"
    scratch.write_bytes(certificate.read_bytes() + key.read_bytes())
    scratch.rename(folder / "server.pem")
    before = served_serial(instance.port, trusts=instance.trusts)
    _hang_up(instance, "certificate_renewed")
    known = (before, serial_of(certificate.read_bytes()))
    _serves_only(instance, lambda serial: serial not in known)
    assert instance.client().get("/readyz").status == 200


def test_silent_clients_that_take_every_descriptor_are_sent_away_too(tmp_path: Path) -> None:
    """More of them than there are descriptors: the worker takes nobody for a while, does not spin, and serves again by itself."""
    port = free_port()
    words = ["--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--tls", "self-signed", "--workers", "1"]
    command = ["prlimit", "--nofile=256:256", sys.executable, "-m", "entrepot", "serve", *words, "--jobs", "none"]
    server = Server(command, log=tmp_path / "log", environment=surroundings())
    client = Client(f"https://127.0.0.1:{port}", trusts=tmp_path / "data" / "tls" / "ca.crt", limit_s=60)
    server.wait_until(lambda: _is_alive(client), 30)
    time.sleep(1)  # the first look at the server's epoll
    with contextlib.ExitStack() as open_:
        silent = [open_.enter_context(socket.create_connection(("127.0.0.1", port), 60)) for _ in range(350)]
        for connection in silent:
            with contextlib.suppress(ConnectionError):
                assert connection.recv(1) == b""
    assert client.get("/healthz").status == 200
    assert "connections_waiting" in (tmp_path / "log").read_text("utf-8")
    assert "worker_died" not in (tmp_path / "log").read_text("utf-8")
    server.stop(30)


def _is_alive(client: Client) -> bool:
    try:
        return client.get("/healthz").status == 200
    except OSError:
        return False
