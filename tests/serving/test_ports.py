"""A port has one server: those that start together, one whose supervisor was killed, one that is just about to end."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from support.commands import run
from support.http import Client
from support.instance import RUNNING, Instance
from support.processes import accepts, children, free_port
from support.sources import start_command

ROUNDS: Final = 8


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with all that a start would make, so that servers come to their port soon and together."""
    folder = tmp_path / "data"
    assert run("migrate", "--data", str(folder)).returncode == 0
    return folder


def started_together(data: Path, addresses: list[str]) -> tuple[list[str], list[int]]:
    """Start a server for each address at once; return what those said that ended, and the statuses of those that went on."""
    words = ["--data", str(data), "--workers", "1", "--shutdown-delay", "0", "--open-to-network", "true"]
    children = [start_command("serve", *words, "--listen", address) for address in addresses]
    try:
        end = time.monotonic() + 20
        while sum(child.poll() is None for child in children) > 1 and time.monotonic() < end:
            time.sleep(0.02)
        port = int(addresses[0].rpartition(":")[2])
        going = [child for child in children if child.poll() is None]
        while going and going[0].poll() is None and not accepts(port) and time.monotonic() < end:
            time.sleep(0.02)
        statuses = [Client(f"http://127.0.0.1:{port}").get("/readyz").status for _ in going]
        assert all(child.poll() in (None, 1) for child in children)
    finally:
        for child in children:
            child.terminate()
        said = [child.communicate(timeout=30)[0] for child in children]
    return [text for child, text in zip(children, said, strict=True) if child.returncode == 1], statuses


def starts(data: Path, address: str) -> bool:
    """Tell whether a server comes to listen there."""
    host, _, port = address.rpartition(":")
    child = start_command("serve", "--data", str(data), "--listen", address, "--workers", "1")
    try:
        while child.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return True
            time.sleep(0.02)
        return False
    finally:
        child.terminate()
        child.communicate(timeout=30)


def test_of_servers_that_start_at_once_on_one_port_exactly_one_serves(data: Path) -> None:
    for _ in range(ROUNDS):
        address = f"127.0.0.1:{free_port()}"
        said, statuses = started_together(data, [address] * 3)
        assert statuses == [200]
        assert len(said) == 2
        for text in said:
            assert f"entrepot: {address} cannot be listened on: Address already in use." in text
            assert "choose another port with --listen" in text
            assert "Traceback" not in text


def test_one_that_listens_everywhere_and_one_that_does_not_never_serve_both(data: Path) -> None:
    for _ in range(ROUNDS):
        port = free_port()
        said, statuses = started_together(data, [f"127.0.0.1:{port}", f"0.0.0.0:{port}"])
        assert statuses in ([200], [])  # each may see the other one and leave the port to it
        assert len(said) == 2 - len(statuses)
        assert all("cannot be listened on: Address already in use." in text for text in said)


def test_servers_on_two_addresses_of_this_machine_may_have_the_same_port(serve: Callable[..., Instance], data: Path) -> None:
    instance = serve("one")
    assert starts(data, f"127.0.0.2:{instance.port}")


def test_when_the_supervisor_is_killed_its_workers_leave_the_port_to_the_next_server(serve: Callable[..., Instance]) -> None:
    instance = serve(workers=2)
    orphans = children(instance.pid)
    assert len(orphans) == 3, "two workers and the job process"
    RUNNING.discard(instance)
    os.kill(instance.pid, signal.SIGKILL)
    instance._server.process.wait(10)
    end = time.monotonic() + 10
    while accepts(instance.port):
        assert time.monotonic() < end, "the workers go on serving without their supervisor"
        time.sleep(0.02)
    instance.restart()
    assert instance.client().get("/readyz").status == 200


def test_the_port_is_free_for_another_server_while_the_last_transfers_run(serve: Callable[..., Instance], data: Path) -> None:
    instance = serve("one", shutdown_limit=30)
    with socket.create_connection(("127.0.0.1", instance.port), 10) as transfer:
        start = b"POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        transfer.sendall(start)
        place = next(line for line in transfer.recv(4096).split(b"\r\n") if line.lower().startswith(b"location: "))[10:]
        transfer.sendall(b"PATCH " + place + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        time.sleep(0.3)
        os.kill(instance.pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while accepts(instance.port):
            assert time.monotonic() < end
            time.sleep(0.02)
        assert starts(data, f"127.0.0.1:{instance.port}")
        assert instance._server.process.poll() is None, "it ended before its transfer"
    instance.stop()
