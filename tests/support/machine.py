"""A machine of its own for systemd: its PID 1 is a real one, in new namespaces, on a root file system that is memory.

It shares this machine's network, so that what it serves is reached on loopback, and its programs (/usr, read-only). It
starts nothing but its journal and what a test starts.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from support.processes import Server, descendants
from support.tools import PROJECT, missing

SYSTEMD: Final = Path("/usr/lib/systemd/systemd")
_START_LIMIT_S: Final = 30.0
_COMMAND_LIMIT_S: Final = 60.0
_ENTREPOT: Final = """#!/bin/sh
export LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/entrepot/src:/opt/entrepot/packages
exec /opt/python/bin/{python} -m entrepot "$@"
"""
# Of the units that Debian starts at every boot only the journal is wanted, in memory.
_TARGET: Final = "[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n"
_JOURNAL: Final = "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n"
_BOOT: Final = """
set -eu
cd "$1"
mount --make-rprivate /
mount -t tmpfs -o mode=755 entrepot-tests "$1"
cd "$1"
mkdir usr etc var run tmp proc sys dev opt root home old opt/entrepot opt/entrepot/src opt/entrepot/packages opt/python
chmod 1777 tmp
for each in bin sbin lib lib64; do ln -s usr/$each $each; done
cp -a "$2/." .
mount --rbind /usr usr
for each in "src $3" "packages $4"; do mount --bind "${each#* }" "opt/entrepot/${each%% *}"; done
mount --bind "$5" opt/python
for each in usr opt/entrepot/src opt/entrepot/packages opt/python; do mount -o remount,bind,ro $each; done
for each in ld.so.cache ld.so.conf; do cp /etc/$each etc/; done
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
mkdir dev/shm dev/pts
ln -s pts/ptmx dev/ptmx
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
pivot_root . old
cd /
umount -l /old
exec env -i container=entrepot-tests PATH=/usr/bin:/usr/sbin /usr/lib/systemd/systemd --system --log-level=notice
"""


class Machine:
    """Boots with the project's packaging in /opt/clone; `run` runs a command in it."""

    def __init__(self, folder: Path) -> None:
        self._cgroup = _new_cgroup()
        root, files = folder / "root", folder / "files"
        root.mkdir()
        self._write(files)
        python = Path(sys.base_prefix)
        packages = Path(sys.prefix) / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        script = folder / "boot"
        script.write_text(_BOOT, "utf-8")
        enter = f'echo $$ > {self._cgroup}/cgroup.procs; exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child "$@"'
        places = (str(root), str(files), str(PROJECT / "src"), str(packages), str(python))
        self._server = Server(["sh", "-c", enter, "sh", "sh", str(script), *places], log=folder / "log")
        self._server.wait_until(self._is_up, _START_LIMIT_S)

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command as root and return what it printed."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=False, timeout=_COMMAND_LIMIT_S)
        assert not check or done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def command(self, *words: str) -> list[str]:
        """Return the command that runs another one in the machine."""
        (first, *_) = descendants(self._server.process.pid)
        return ["nsenter", f"--target={first}", "--all", "--root", "--wd", "--", *words]

    def follow(self, commands: str) -> str:
        """Run commands of our documentation, which are for an administrator in a clone of the project."""
        return self.run("sh", "-euc", f'sudo() {{ "$@"; }}; cd /opt/clone; {commands}')

    def write(self, path: str, text: str) -> None:
        """Write a file, and its folder."""
        self.run("mkdir", "-p", str(Path(path).parent))
        subprocess.run(self.command("tee", path), input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def show(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str) -> list[str]:
        """Return the lines that a unit logged, as they were written."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--output=cat", f"_SYSTEMD_UNIT={unit}").splitlines()

    def stop(self) -> None:
        """End the whole machine at once."""
        self._server.kill()
        _remove(self._cgroup)

    def _is_up(self) -> bool:
        if not descendants(self._server.process.pid):
            return False
        state = subprocess.run(self.command("systemctl", "is-system-running"), capture_output=True, text=True, check=False)
        return state.stdout.strip() in ("running", "degraded")

    def _write(self, files: Path) -> None:
        system = files / "etc" / "systemd" / "system"
        system.mkdir(parents=True)
        entrepot = files / "opt" / "entrepot" / "bin" / "entrepot"
        entrepot.parent.mkdir(parents=True)
        python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for path, text in (
            (files / "etc" / "passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"),
            (files / "etc" / "group", "root:x:0:\nnogroup:x:65534:\n"),
            (files / "etc" / "machine-id", "0123456789abcdef0123456789abcdef\n"),
            (files / "etc" / "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
            (files / "etc" / "hosts", "127.0.0.1 localhost\n"),
            (files / "etc" / "systemd" / "journald.conf", _JOURNAL),
            (system / "default.target", _TARGET),
            (entrepot, _ENTREPOT.format(python=python)),
        ):
            path.write_text(text, "utf-8")
        entrepot.chmod(0o755)
        for name in ("sysinit.target", "network-online.target"):
            (system / name).write_text("[Unit]\nDefaultDependencies=no\n", "utf-8")
        shutil.copytree(PROJECT / "packaging", files / "opt" / "clone" / "packaging")


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Boot a machine for tests, or say what this one lacks for it."""
    if os.geteuid() != 0:
        missing("only root can make namespaces for a systemd")
    if not SYSTEMD.exists() or shutil.which("systemctl") is None:
        missing("systemd is not installed here")
    booted = Machine(folder)
    try:
        yield booted
    finally:
        booted.stop()


def _new_cgroup() -> Path:
    """Make a control group for a machine, which systemd needs for knowing its services' processes."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    place = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if place is None:
        missing("this machine has no cgroup2")
    folder = place / f"entrepot-tests-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        missing(f"no control group can be made here: {error}")
    return folder


def _remove(cgroup: Path) -> None:
    end = time.monotonic() + _START_LIMIT_S
    while cgroup.exists():
        for folder in sorted([cgroup, *(path for path in cgroup.rglob("*") if path.is_dir())], reverse=True):
            with suppress(OSError):  # its last processes are still ending
                folder.rmdir()
        assert time.monotonic() < end, f"{cgroup} cannot be removed"
        time.sleep(0.05)
