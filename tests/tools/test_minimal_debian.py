"""`make run` on a fresh machine: a Debian bootstrapped with nothing but python3, git, make and certificates.

It needs root, Debian's archive and the package index. What it mounts is in a namespace of its own and goes with it.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import copy_project
from .test_make_run import free_port

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can bootstrap a Debian"),
    pytest.mark.skipif(not shutil.which("apt-get"), reason="only on Debian"),
]
RELEASES = {"bookworm": "python3.11-venv", "trixie": "python3.13-venv"}
ADDITIONS = "python3,git,make,ca-certificates"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT_S = 1200
# Variables by which this machine reaches the package index; a folder of wheels here is none there.
PASSED = ("PIP_", "SSL_", "REQUESTS_", "HTTP", "http")
# Starts it, waits for the last line of what is printed, asks it with the machine's own Python, and stops it.
SERVE = """
make run PORT={port} > shown 2>&1 & run=$!
until grep -q 'Stop it with' shown; do kill -0 $run || break; sleep 0.2; done
python3 -c 'import http.client as h; c = h.HTTPConnection("localhost", {port})
c.request("GET", "/v2/"); print("v2", c.getresponse().status)'
make stop; wait $run; echo "ended with $?"; cat shown
"""


def mirror() -> str:
    """The archive that this machine's apt is set up with."""
    codename = next(
        line[17:] for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("VERSION_CODENAME=")
    )
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    return next(line.split()[1] for line in targets.stdout.splitlines() if line.split()[0] == codename)


@pytest.fixture(scope="module")
def debootstrap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with Debian's debootstrap, unpacked and not installed."""
    folder = tmp_path_factory.mktemp("debootstrap")
    subprocess.run(["apt-get", "-qq", "update"], check=True)
    # apt fetches as a user of its own, who may not write into pytest's folders.
    with tempfile.TemporaryDirectory() as drop:
        Path(drop).chmod(0o777)
        subprocess.run(["apt-get", "-qq", "download", "debootstrap"], cwd=drop, check=True)
        subprocess.run(["dpkg-deb", "-x", next(Path(drop).glob("*.deb")), folder], check=True)
    return folder


@pytest.fixture(scope="module", params=RELEASES)
def machine(request: pytest.FixtureRequest, debootstrap: Path) -> Iterator["Machine"]:
    # An ordinary user must be able to enter it, which pytest's own folders do not allow.
    with tempfile.TemporaryDirectory(prefix="entrepot-debian-") as folder:
        root = Path(folder) / "root"
        root.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        subprocess.run(
            [debootstrap / "usr/sbin/debootstrap", "--variant=minbase", f"--include={ADDITIONS}", request.param, root, mirror()],
            env={**os.environ, "DEBOOTSTRAP_DIR": str(debootstrap / "usr/share/debootstrap")},
            stdout=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=True,
        )
        yield Machine(root, request.param)


class Machine:
    """A bootstrapped Debian with two copies of the project: root's and an ordinary user's."""

    def __init__(self, root: Path, release: str) -> None:
        self.root, self.package = root, RELEASES[release]
        # What this machine needs to reach the network, that one needs as well.
        for name in ("etc/hosts", "etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt", "etc/pip.conf"):
            if (Path("/") / name).exists():
                shutil.copy(Path("/") / name, root / name)
        for settings in Path("/etc/apt/apt.conf.d").iterdir():
            if "Proxy" in settings.read_text() or "Check-" in settings.read_text():
                shutil.copy(settings, root / "etc/apt/apt.conf.d")
        self.run("useradd --create-home ordinary")
        for home, owner in (("root", "root"), ("home/ordinary", "ordinary")):
            copy_project(root / home / "entrepot")
            self.run(f"chown -R {owner}: /{home}/entrepot")

    def run(self, script: str, user: str = "root") -> str:
        """Run a shell script there; return all it prints."""
        passed = {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_", "HTTP", "http"))
        }
        inside = f"cd ~{user}/entrepot 2>/dev/null; {script}"
        if user != "root":
            inside = f"su -m {user} -c {shlex.quote(f'export HOME=/home/{user}; {inside}')}"
        place = shlex.quote(str(self.root))
        mounts = " && ".join(f"mount --rbind /{name} {place}/{name}" for name in ("proc", "dev"))
        done = subprocess.run(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                f"{mounts} && exec chroot {place} sh -c {shlex.quote(inside)}",
            ],
            env={**passed, "PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.stdout


def test_make_run_works_by_itself_as_root_and_with_one_command_as_an_ordinary_user(machine: Machine) -> None:
    port = free_port()
    refused = machine.run(f"make run PORT={port}; echo ended with $?", "ordinary")
    assert f"apt-get install -y {machine.package}" in refused
    assert "ended with 0" not in refused

    as_root = machine.run(SERVE.format(port=port))
    assert f"{machine.package} is missing: installing it" in as_root
    assert "v2 401" in as_root, as_root
    assert "ended with 0" in as_root

    # Root's start has installed the package, which is what the one command would have done.
    as_user = machine.run(SERVE.format(port=port), "ordinary")
    assert "v2 401" in as_user, as_user
    assert "data folder  /home/ordinary/entrepot/data" in as_user
    assert "ended with 0" in as_user
