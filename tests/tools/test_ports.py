"""tools/run/ports.py: a taken port is noticed before the start, and the program that holds it is named."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tools.run import ports

pytestmark = pytest.mark.fast


def listener(address: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 0))
    server.listen()
    return server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_a_port_that_nobody_listens_on_is_free() -> None:
    server = listener()
    port = port_of(server)
    server.close()
    assert ports.why_not(port) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - listening everywhere is the case
def test_a_listener_is_named_with_its_process_and_command(address: str) -> None:
    with listener(address) as server:
        port = port_of(server)
        why = ports.why_not(port) or ""
    assert why == f"Port {port} is taken by process {os.getpid()}: {ports.command_of(os.getpid())}."


@pytest.mark.parametrize("address", ["::1", "::"])
def test_a_listener_on_ipv6_counts_because_localhost_may_mean_it(address: str) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this kernel has no IPv6")
    with listener(address, socket.AF_INET6) as server:
        assert f"process {os.getpid()}" in (ports.why_not(port_of(server)) or "")


def test_a_listener_on_another_address_leaves_localhost_free() -> None:
    with listener("127.0.0.2") as server:
        assert ports.holders(port_of(server)) == []
        assert ports.why_not(port_of(server)) is None


def test_a_connection_that_lingers_after_its_server_does_not_hold_the_port() -> None:
    with listener() as server:
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            client.recv(1)
    assert ports.why_not(port) is None


def test_a_bound_port_without_listener_is_taken_by_something_invisible() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert "not visible" in (ports.why_not(port_of(bound)) or "")


def test_workers_of_one_server_are_named_once() -> None:
    with (
        listener() as server,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[server.fileno()]) as child,
    ):
        found = ports.holders(port_of(server))
        child.communicate(b"\n")
    assert [holder.pid for holder in found] == [os.getpid()]


def test_of_two_processes_the_one_that_started_first_is_the_older_whatever_their_numbers() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert 0 < ports._started(1) < ports._started(os.getpid()) <= ports._started(child.pid)
        child.communicate(b"\n")


def test_a_program_of_another_user_is_described_when_it_cannot_be_seen() -> None:
    assert str(ports.Holder("www-data", None, None)).startswith("a program of the user www-data, which this account may not")


def test_an_endless_command_line_is_shortened() -> None:
    words = [sys.executable, "-c", "print(flush=True); input()", "x" * 5000]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        command = ports.command_of(child.pid)
        child.communicate(b"\n")
    assert len(command) < 200
    assert command.endswith("xxx...")
