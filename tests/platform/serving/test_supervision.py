"""What a service manager is told, heard on a socket of the test's own; tests/packaging tries it with systemd."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.platform.serving.supervision import READY, STOPPING, Supervision
from support.processes import free_port

pytestmark = pytest.mark.fast


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[socket.socket]:
    """A socket that hears what is told, named in the environment as systemd does it."""
    name = f"{short_folder}/notify" if request.param == "path" else f"@entrepot-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(5)
        os.environ["NOTIFY_SOCKET"] = name
        yield heard
        os.environ.pop("NOTIFY_SOCKET", None)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_is_ready_when_its_port_answers_and_not_before(manager: socket.socket, address: str) -> None:
    supervision, port = Supervision(), free_port()
    supervision.ready_when_it_answers(address, port)
    manager.settimeout(0.2)
    with pytest.raises(TimeoutError):
        manager.recv(100)
    manager.settimeout(5)
    with socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET):
        assert manager.recv(100).decode() == READY


def test_a_stop_is_told_and_ends_the_waiting(manager: socket.socket) -> None:
    supervision = Supervision()
    supervision.ready_when_it_answers("127.0.0.1", free_port())
    supervision.stopping()
    assert manager.recv(100).decode() == STOPPING
    for waiting in [thread for thread in threading.enumerate() if thread.name == "readiness"]:
        waiting.join(5)
        assert not waiting.is_alive()


def test_its_processes_cannot_speak_for_it(manager: socket.socket) -> None:
    Supervision()
    assert "NOTIFY_SOCKET" not in os.environ
    assert manager.fileno() > 0


def test_without_a_manager_nothing_happens() -> None:
    supervision = Supervision()
    supervision.ready_when_it_answers("127.0.0.1", free_port())
    supervision.stopping()
    assert not [thread for thread in threading.enumerate() if thread.name == "readiness"]


def test_a_manager_that_is_gone_does_no_harm(short_folder: Path) -> None:
    os.environ["NOTIFY_SOCKET"] = f"{short_folder}/gone"
    Supervision().stopping()
