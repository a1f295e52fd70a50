"""`make run` and `make stop` from end to end: a copy of the project, its own environment, and the real product in it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

# The first start makes an environment from the package index.
LIMIT_S = 300


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# When these tests are run by make, the make that they run must not take itself for its child.
ENVIRONMENT: Final = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


class Terminal:
    """`make run` as in a terminal: a process group of its own, which Ctrl+C reaches as a whole."""

    def __init__(self, clone: Path, *words: str, **variables: str) -> None:
        self.shown = ""
        self.process = subprocess.Popen(
            ["make", "run", *words],
            cwd=clone,
            env={**ENVIRONMENT, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def read_until(self, text: str) -> str:
        """Read what is shown until a line has this text; return all of it."""
        assert self.process.stdout
        while text not in self.shown:
            line = self.process.stdout.readline()
            assert line, self.shown
            self.shown += line
        return self.shown

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        assert self.process.stdout
        if not self.process.stdout.closed:
            self.shown += self.process.stdout.read()
            self.process.stdout.close()
        return self.process.wait(timeout=LIMIT_S)


@contextmanager
def running(clone: Path, port: int, data: Path, **variables: str) -> Iterator[Terminal]:
    terminal = Terminal(clone, f"PORT={port}", f"DATA={data}", **variables)
    try:
        terminal.read_until("make stop")
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.press_ctrl_c()
        terminal.end()


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=clone,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
    )


def status(port: int, path: str = "/v2/") -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer


def gone(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_it_serves_and_says_where_and_how(clone: Path, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "my data"
    with running(clone, port, data) as terminal:
        assert status(port) == 401
        for text in (
            f"http://localhost:{port}\n",
            f"docker login --username admin --password-stdin localhost:{port} < '{data}/admin-password'\n",
            f"{data}\n",
            f"{data}/log/entrepot.log\n",
            f"docker push localhost:{port}/demo/hello:v1\n",
            f"podman push --tls-verify=false IMAGE localhost:{port}/demo/hello:v1\n",
            f"skopeo copy --dest-tls-verify=false oci-archive:FILE docker://localhost:{port}/demo/hello:v1\n",
            "Ctrl+C",
            f"make stop DATA='{data}'\n",
        ):
            assert text in terminal.shown
        assert "starting" in (data / "log/entrepot.log").read_text()
        command = [str(clone / ".venv/bin/entrepot"), "user", "list"]
        users = subprocess.run(
            command, env={**ENVIRONMENT, "ENTREPOT_DATA": str(data)}, capture_output=True, text=True, check=False
        )
        assert "admin" in users.stdout, users.stderr


def test_it_waits_for_https_and_says_so(clone: Path, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running(clone, port, data, ENTREPOT_TLS="self-signed") as terminal:
        assert f"https://localhost:{port}\n" in terminal.shown
        assert "http://" not in terminal.shown


def test_it_says_that_open_access_needs_no_login(clone: Path, tmp_path: Path) -> None:
    with running(clone, free_port(), tmp_path / "data", ENTREPOT_ACCESS="open") as terminal:
        assert "without a login" in terminal.shown
        assert "docker login" not in terminal.shown
    assert not (tmp_path / "data/admin-password").exists()


def test_only_this_machine_reaches_it(clone: Path, tmp_path: Path) -> None:
    port = free_port()
    with running(clone, port, tmp_path / "data"):
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        addresses = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    assert addresses == {f"0100007F:{port:04X}"}


def test_ctrl_c_stops_it_and_is_no_failure(clone: Path, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running(clone, port, data) as terminal:
        terminal.press_ctrl_c()
        terminal.end()
    assert "Entrepot has stopped." in terminal.shown
    assert "Traceback" not in terminal.shown
    assert "Error" not in terminal.shown
    # make itself ends by the signal that Ctrl+C sent to it.
    assert terminal.process.returncode in (0, 130, -signal.SIGINT)
    assert gone(port)
    assert not (data / "make-run.json").exists()


def test_make_stop_stops_it_from_another_terminal(clone: Path, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running(clone, port, data) as terminal:
        done = make(clone, "stop", f"DATA={data}")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Stopped.")
        assert terminal.end() == 0
    assert gone(port)


def test_make_stop_with_nothing_to_stop_says_so(clone: Path, tmp_path: Path) -> None:
    done = make(clone, "stop", f"DATA={tmp_path}")
    assert done.returncode == 0
    assert "Nothing to stop" in done.stdout


def test_make_stop_never_ends_a_process_that_only_has_the_number(clone: Path, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        (tmp_path / "make-run.json").write_text(json.dumps({"pid": innocent.pid, "started_ticks": 1, "port": 5000}))
        assert "Nothing to stop" in make(clone, "stop", f"DATA={tmp_path}").stdout
        assert innocent.poll() is None
        innocent.communicate(b"\n")
    assert innocent.returncode == 0


def test_a_server_whose_terminal_was_killed_is_found_and_stopped(clone: Path, tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running(clone, port, data) as terminal:
        os.killpg(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait(timeout=LIMIT_S)
        again = make(clone, "run", f"PORT={free_port()}", f"DATA={data}")
        assert again.returncode != 0
        assert f"already serves {data} on http://localhost:{port}" in again.stderr
        assert make(clone, "stop", f"DATA={data}").returncode == 0
    assert gone(port)


def test_a_taken_port_is_reported_with_its_holder_and_a_way_out(clone: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = make(clone, "run", f"PORT={port}", f"DATA={tmp_path / 'data'}")
    assert done.returncode != 0
    assert f"Port {port} is taken by process {os.getpid()}: " in done.stderr
    assert re.search(r"make run PORT=\d+ DATA=", done.stderr)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "5000x", "\u0665000"])
def test_a_port_that_is_none_is_refused_with_what_was_expected(clone: Path, tmp_path: Path, port: str) -> None:
    done = make(clone, "run", f"PORT={port}", f"DATA={tmp_path}")
    assert done.returncode != 0
    assert f"PORT is '{port}': expected a number from 1 to 65535" in done.stderr


def test_a_start_that_fails_shows_the_reason(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "entrepot.db").write_bytes(b"this is no database" * 1000)
    done = make(clone, "run", f"PORT={free_port()}", f"DATA={tmp_path}")
    assert done.returncode != 0
    assert "Entrepot did not start" in done.stderr
    assert "database" in done.stderr.partition("It said:")[2]
    assert str(tmp_path / "log/entrepot.log") in done.stderr


def test_a_data_folder_that_cannot_be_is_refused(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = make(clone, "run", f"PORT={free_port()}", f"DATA={tmp_path / 'file'}")
    assert done.returncode != 0
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_dies_is_not_passed_over(clone: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(clone, free_port(), data) as terminal:
        os.killpg(json.loads((data / "make-run.json").read_text())["pid"], signal.SIGKILL)
        assert terminal.end() != 0
    assert "ended by itself" in terminal.shown


def test_an_outgrown_log_is_set_aside_at_the_start(clone: Path, tmp_path: Path) -> None:
    log = tmp_path / "log/entrepot.log"
    log.parent.mkdir()
    with log.open("wb") as file:
        file.truncate((32 << 20) + 1)
    with running(clone, free_port(), tmp_path):
        assert log.with_name("entrepot.log.1").stat().st_size == (32 << 20) + 1
        assert log.stat().st_size < 1 << 20


def test_what_belongs_to_the_tests_does_not_disturb_the_start(clone: Path, tmp_path: Path) -> None:
    port = free_port()
    with running(clone, port, tmp_path / "data", ENTREPOT_TOOLS="/nonexistent", ENTREPOT_TEST_COUNTS="long"):
        assert status(port, "/readyz") == 200
