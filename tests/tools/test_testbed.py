"""tools/testbed: what it installs, what it says when it cannot, and that it starts nothing and enables nothing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Final

import pytest
from tools.testbed import debian, pins, sockets
from tools.testbed.places import debian_release

from support.tools import PROJECT, cache, missing

# Debian's packages of these servers start them when they are installed in the usual way.
SERVERS: Final = ("docker-registry", "nginx")
only_debian = pytest.mark.skipif(not debian_release(), reason="only Debian is set up by itself")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tools.testbed", *words]


def surroundings(folder: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "ENTREPOT_TOOLS": str(folder), **variables}


def run_testbed(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = surroundings(folder, **variables)
    return subprocess.run(command(*words), cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def programs(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((folder / "programs.json").read_text("utf-8"))
    return found


@pytest.fixture
def new_cache(tmp_path: Path) -> Path:
    """An empty cache that shares only what apt has already fetched."""
    apt = cache() / "apt"
    if not (apt / "updated").exists():
        missing("apt has fetched nothing yet: run python3 -m tools.testbed install")
    (tmp_path / "apt").symlink_to(apt)
    return tmp_path


@only_debian
def test_installing_servers_opens_no_socket_and_enables_no_service(new_cache: Path) -> None:
    listening, services = sockets.listening(), sockets.enabled_services()
    done = run_testbed("install", "--only", *SERVERS, folder=new_cache)
    assert done.returncode == 0, done.stderr
    assert programs(new_cache).keys() == set(SERVERS)
    # Other tests start servers meanwhile: they stand under the same runner, and are programs of the cache or of Python.
    runner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    own = (cache(), PROJECT, Path(sys.base_prefix).resolve())
    assert sockets.started_since(listening, except_under=runner, except_programs_in=own) == []
    assert sockets.enabled_services() == services


def test_a_server_that_began_to_listen_is_noticed() -> None:
    before = sockets.listening()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = [listener for listener in sockets.started_since(before) if listener.address.endswith(f":{port}")]
    assert [listener.pid for listener in found] == [os.getpid()]


def test_a_service_that_was_enabled_is_noticed(tmp_path: Path) -> None:
    before = sockets.enabled_services(tmp_path)
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True)
    (wanted / "docker-registry.service").symlink_to("/lib/systemd/system/docker-registry.service")
    assert "etc/systemd/system/multi-user.target.wants/docker-registry.service" in sockets.enabled_services(tmp_path) - before


@only_debian
def test_what_was_unpacked_runs_and_a_second_run_fetches_nothing(new_cache: Path) -> None:
    run_testbed("install", "--only", *SERVERS, folder=new_cache)
    again = run_testbed("install", "--only", *SERVERS, folder=new_cache)
    assert again.returncode == 0
    assert "Fetching" not in again.stdout
    checked = run_testbed("check", "--only", *SERVERS, folder=new_cache)
    assert checked.returncode == 0, checked.stderr


@only_debian
def test_two_runs_at_once_do_not_disturb_each_other(new_cache: Path) -> None:
    words = command("install", "--only", *SERVERS)
    environment = surroundings(new_cache)
    runs = [subprocess.Popen(words, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    # Exactly one of them had something to do.
    assert sum("Fetching" in text for text in told) == (1 if debian.unpacked_program(new_cache, "nginx") else 0)


@only_debian
def test_an_unpacking_that_was_interrupted_is_done_again(new_cache: Path) -> None:
    run_testbed("install", "--only", "docker-registry", folder=new_cache)
    program = debian.unpacked_program(new_cache, "docker-registry")
    if program is None:
        pytest.skip("this machine has a docker-registry of its own")
    size_bytes = program.stat().st_size
    with program.open("r+b") as half:
        half.truncate(size_bytes // 2)
    (new_cache / "debian" / ".unpacked-docker-registry").unlink()
    run_testbed("install", "--only", "docker-registry", folder=new_cache)
    assert program.stat().st_size == size_bytes


def test_a_go_program_that_the_proxy_does_not_give_is_recorded_with_the_reason(tmp_path: Path) -> None:
    done = run_testbed("install", "--only", "crane", folder=tmp_path, GOPROXY="off", GOMODCACHE=str(tmp_path / "modules"))
    assert done.returncode == 0, done.stderr
    assert "did not give crane" in done.stdout
    refused = json.loads((tmp_path / "unavailable.json").read_text("utf-8"))
    assert "GOPROXY=off" in refused["crane"]["reason"]


@only_debian
def test_on_another_system_what_is_missing_is_named(tmp_path: Path) -> None:
    wanted = next((name for name in SERVERS if debian.machine_program(name) is None), None)
    if wanted is None or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("it takes root to show the program another system, and a program that this machine lacks")
    (tmp_path / "os-release").write_text('ID=fedora\nVERSION_ID="44"\n', "utf-8")
    script = 'mount --bind "$0" "$(readlink -f /etc/os-release)" && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, str(tmp_path / "os-release"), *command("install", "--only", wanted)]
    done = subprocess.run(words, cwd=PROJECT, env=surroundings(tmp_path), capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount")
    assert done.returncode == 1
    assert f"Missing here, to be installed by hand: {wanted}" in done.stderr


def test_moving_a_pin_changes_that_version_and_nothing_else(tmp_path: Path) -> None:
    copy = Path(shutil.copy(pins.FILE, tmp_path))
    before = tomllib.loads(copy.read_text("utf-8"))
    pins.move("conformance", "v0.0.0-20270101000000-0123456789ab", copy)
    after = tomllib.loads(copy.read_text("utf-8"))
    assert after["go"]["conformance"].pop("version") == "v0.0.0-20270101000000-0123456789ab"
    before["go"]["conformance"].pop("version")
    assert after == before


def test_the_conformance_suite_is_pinned_to_july_2026_or_later() -> None:
    suite = next(program for program in pins.load("12").go if program.name == "conformance")
    assert suite.version.split("-")[1] >= "20260701000000"


@only_debian
def test_a_root_file_system_has_what_its_packages_need_and_is_recorded(new_cache: Path) -> None:
    done = run_testbed("install", "--only", "python", folder=new_cache)
    assert done.returncode == 0, done.stderr
    where = json.loads((new_cache / "roots.json").read_text("utf-8"))["python"]["path"]
    with tarfile.open(where) as packed:
        names = set(packed.getnames())
        assert packed.getmember("./bin").linkname == "usr/bin"
    assert {"./usr/bin/python3", "./usr/bin/sh", "./etc/passwd"} <= names
    assert [name for name in names if "/libc.so.6" in name]
