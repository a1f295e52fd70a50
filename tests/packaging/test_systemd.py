"""The units of packaging/ under a real systemd, installed by the commands of docs/install.md."""

import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from support import images
from support.accounts import Signed, basic
from support.http import Client
from support.machine import Machine, machine
from support.pages import Page
from support.postgres import Cluster
from support.processes import accepts, free_port
from support.wire import Repository, digest_of

_PAGE: Final = Page("install.md")
_SETTINGS: Final = "/etc/entrepot/entrepot.env"
_DROP_IN: Final = "/etc/systemd/system/entrepot.service.d/override.conf"
_LIMIT_S: Final = 30.0
MIB: Final = 1 << 20


class Service:
    """Entrepot as it was installed."""

    def __init__(self, machine: Machine, settings: str) -> None:
        self.machine = machine
        self._settings = settings
        self.port = 0

    def configure(self, **settings: object) -> None:
        """Write the settings: those of the installed file, a free port, and these."""
        self.port = int(str(settings.pop("port", 0))) or free_port()
        every = {"listen": f"127.0.0.1:{self.port}", "shutdown_delay": 0, "access": "open", **settings}
        lines = [f"ENTREPOT_{name.upper()}={value}" for name, value in every.items()]
        self.machine.write(_SETTINGS, "\n".join([self._settings, *lines, ""]))

    def do(self, verb: str, *, check: bool = True) -> str:
        """Run `systemctl VERB entrepot`."""
        return self.machine.run("systemctl", verb, "entrepot", check=check)

    def client(self) -> Client:
        """Return an HTTP client."""
        return Client(f"http://127.0.0.1:{self.port}")

    @property
    def pid(self) -> int:
        """Return the main process's number in the machine."""
        return int(self.machine.show("entrepot", "MainPID"))

    def processes(self) -> set[str]:
        """Return all processes of the service."""
        group = self.machine.show("entrepot", "ControlGroup")
        return set(self.machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs", check=False).split()) if group else set()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something is the case."""
        end = time.monotonic() + _LIMIT_S
        while not holds():
            assert time.monotonic() < end, f"not within {_LIMIT_S} s: {what}\n{self.do('status', check=False)}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[Machine, str]]:
    """A machine on which the commands of the page have installed Entrepot, and the settings file that they brought."""
    install, _doctor = _PAGE.blocks("As a service")
    with tempfile.TemporaryDirectory(prefix="entrepot-") as folder, machine(Path(folder)) as booted:
        # The last one also starts it, on a port that may be taken here.
        copying, last = install.strip().rsplit("\n", 1)
        booted.follow(copying)
        settings = booted.run("cat", _SETTINGS)
        booted.write(_SETTINGS, f"{settings}\nENTREPOT_LISTEN=127.0.0.1:{free_port()}\n")
        booted.follow(last)
        assert booted.show("entrepot", "ActiveState") == "active"
        yield booted, settings


@pytest.fixture
def service(installed: tuple[Machine, str]) -> Iterator[Service]:
    """The service, stopped, with empty data and no settings but the file's own and a free port."""
    own = Service(*installed)
    _clear(own)
    own.configure()
    yield own
    _clear(own)


def _clear(service: Service) -> None:
    service.do("stop")
    service.do("reset-failed")
    service.machine.run("sh", "-c", f"rm -rf /var/lib/entrepot/* {_DROP_IN}; systemctl daemon-reload")


def test_it_has_started_when_its_port_answers_and_is_for_its_user_alone(service: Service) -> None:
    service.configure(access="accounts")
    service.do("start")
    assert service.client().get("/readyz").status == 200
    password = service.machine.run("cat", "/var/lib/entrepot/admin-password").strip()
    Repository(Signed(f"http://127.0.0.1:{service.port}", basic("admin", password)), "team/app").image("v1")
    owners = service.machine.run("find", "/var/lib/entrepot", "-printf", "%u %m\\n").splitlines()
    assert {line.split()[0] for line in owners} == {"entrepot"}
    assert not [line for line in owners if int(line.split()[1], 8) & 0o077]
    assert service.machine.run("stat", "--format=%a", _SETTINGS).strip() == "600"
    assert service.machine.run("systemctl", "is-enabled", "entrepot").strip() == "enabled"


def test_what_was_pushed_is_there_after_a_restart(service: Service) -> None:
    service.do("start")
    manifest, pid = Repository(service.client(), "team/app").image("v1"), service.pid
    service.do("restart")
    assert service.pid != pid
    assert Repository(service.client(), "team/app").client.get("/v2/team/app/manifests/v1").content == manifest
    assert service.machine.show("entrepot", "NRestarts") == "0"


def test_a_stop_waits_for_a_push_that_runs(service: Service) -> None:
    service.configure(shutdown_delay=1, shutdown_limit=30)
    service.do("start")
    content, begun, statuses = os.urandom(MIB) * 20, threading.Event(), []

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), MIB):
            yield content[start : start + MIB]
            begun.set()
            time.sleep(0.15)

    def push() -> None:
        place = service.client().post("/v2/slow/one/blobs/uploads/").headers["location"]
        headers = {"Transfer-Encoding": "chunked"}
        done = service.client().put(f"{place}?digest={images.sha256(content)}", body=pieces(), headers=headers)
        statuses.append(done.status)

    pushing = threading.Thread(target=push)
    pushing.start()
    assert begun.wait(10)
    service.do("stop")
    assert not accepts(service.port)
    assert (service.processes(), service.machine.show("entrepot", "Result")) == (set(), "success")
    pushing.join(10)
    assert statuses == [201]


def test_after_kill_9_it_is_started_again_and_nothing_of_before_is_left(service: Service) -> None:
    service.do("start")
    before, pid = service.processes(), service.pid
    assert len(before) >= 3, "main process, web processes, job process"
    service.machine.run("kill", "-9", str(pid))
    service.until(lambda: service.machine.show("entrepot", "NRestarts") == "1", "a restart")
    service.until(lambda: service.machine.show("entrepot", "ActiveState") == "active", "active again")
    assert service.client().get("/readyz").status == 200
    assert not before & service.processes()


def test_a_web_process_that_is_killed_is_replaced_without_a_restart(service: Service) -> None:
    service.configure(workers=1, jobs="none")
    service.do("start")
    pid = service.pid
    for worker in service.processes() - {str(pid)}:
        service.machine.run("kill", "-9", worker)
    service.until(lambda: len(service.processes()) == 3, "another worker, and another that keeps the index")
    service.until(lambda: accepts(service.port), "the port answers")
    assert (service.pid, service.machine.show("entrepot", "NRestarts")) == (pid, "0")


def test_a_wrong_setting_is_told_once_and_not_tried_again(service: Service) -> None:
    service.configure(workers="many")
    assert "failed" in service.do("start", check=False)
    time.sleep(3)  # a restart would come after two
    assert service.machine.show("entrepot", "ActiveState") == "failed"
    assert service.machine.show("entrepot", "NRestarts") == "0"
    assert "entrepot: ENTREPOT_WORKERS is 'many': expected a number from 0 to 64" in service.machine.journal("entrepot.service")


def test_what_may_mend_itself_is_tried_until_it_works(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service.configure(port=taken.getsockname()[1])
        assert "failed" in service.do("start", check=False)
        service.until(lambda: service.machine.show("entrepot", "NRestarts") == "2", "two more attempts")
    service.until(lambda: service.machine.show("entrepot", "ActiveState") == "active", "active")
    assert service.client().get("/readyz").status == 200


def test_the_journal_has_each_line_with_its_level_and_one_time(service: Service) -> None:
    service.do("start")
    service.client().get("/v2/UPPER/tags/list")
    service.client().get("/v2/team/none/manifests/v1")
    service.machine.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", "entrepot")
    service.until(lambda: service.machine.show("entrepot", "ActiveState") == "active", "active again")
    lines = service.machine.journal("entrepot.service")
    assert [line for line in lines if line.startswith("INFO    starting version=")]
    assert [line for line in lines if re.match(r"INFO    request_refused .*code=NAME_INVALID", line)]
    assert not [line for line in lines if re.match(r"<\d>|\d{4}-", line)]
    service.machine.run("journalctl", "--sync")
    short = service.machine.run("journalctl", "--output=cat", "--priority=warning", "_SYSTEMD_UNIT=entrepot.service")
    assert "starting" not in short


def test_it_serves_from_postgresql_within_the_same_walls(service: Service, postgres: Cluster) -> None:
    service.configure(database=postgres.new_database())
    service.do("start")
    manifest = Repository(service.client(), "team/app").image("v1")
    assert service.client().get("/v2/team/app/manifests/v1").headers["docker-content-digest"] == digest_of(manifest)


def test_a_worker_of_its_own_runs_and_ends(service: Service) -> None:
    service.configure(jobs="none")
    service.do("start")
    service.machine.run("systemctl", "start", "entrepot-worker")
    pid = service.machine.show("entrepot-worker", "MainPID")
    time.sleep(1)
    assert service.machine.show("entrepot-worker", "MainPID") == pid
    began = time.monotonic()
    service.machine.run("systemctl", "stop", "entrepot-worker")
    assert time.monotonic() - began < 10
    assert service.machine.show("entrepot-worker", "Result") == "success"


def test_a_port_below_1024_needs_what_the_page_says(service: Service) -> None:
    low = next(port for port in range(1023, 600, -1) if not accepts(port))
    service.configure(port=low)
    assert "failed" in service.do("start", check=False)
    assert any("Permission denied" in line for line in service.machine.journal("entrepot.service"))
    service.do("stop")
    (drop_in,) = _PAGE.blocks("As a service", "ini")
    service.machine.write(_DROP_IN, drop_in)
    service.machine.run("systemctl", "daemon-reload")
    service.do("start")
    assert service.client().get("/readyz").status == 200


def test_a_command_with_the_settings_of_the_service_finds_its_data(service: Service) -> None:
    service.do("start")
    said = service.machine.follow(_PAGE.blocks("As a service")[1])
    assert "/var/lib/entrepot is for entrepot alone" in said
    assert "schema       up to date" in said


def test_systemd_finds_nothing_wrong_with_the_units_and_little_that_they_leave_open(service: Service) -> None:
    units = [f"/etc/systemd/system/{name}.service" for name in ("entrepot", "entrepot-worker")]
    assert service.machine.run("systemd-analyze", "verify", *units) == ""
    for name in ("entrepot", "entrepot-worker"):
        told = service.machine.run("systemd-analyze", "security", "--no-pager", name)
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        assert exposure is not None
        assert float(exposure[1]) <= 1.5, told
