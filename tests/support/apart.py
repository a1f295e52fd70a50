"""A thread with a network and an /etc of its own: what is started from it sees these, and this machine keeps its own."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from support.tools import missing

_NEW_MOUNTS: Final = 0x00020000
_NEW_NETWORK: Final = 0x40000000
_ADDRESS: Final = "192.0.2.7"  # of no loopback network, for which Docker would not look at certificates
_T = TypeVar("_T")


class Apart:
    """One thread in namespaces of its own, where `name` leads to an address that is not a loopback one; needs root."""

    name: Final = "hub.test"
    address: Final = _ADDRESS

    def __init__(self) -> None:
        if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("mount")):
            missing("namespaces of a test's own want root, ip and mount")
        self._thread = ThreadPoolExecutor(1)
        self.do(self._leave)

    def do(self, what: Callable[[], _T]) -> _T:
        """Run something there and return what it returns."""
        return self._thread.submit(what).result()

    def shell(self, commands: list[str]) -> None:
        """Run commands there as they would be typed; root needs no sudo."""
        script = 'sudo() { "$@"; }\n' + "\n".join(commands)
        self.do(lambda: subprocess.run(["sh", "-ec", script], check=True, capture_output=True, timeout=60))

    def end(self) -> None:
        """End the thread, and so its namespaces when nothing that was started there runs any more."""
        self._thread.shutdown()

    def _leave(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_MOUNTS | _NEW_NETWORK):
            missing(f"no namespaces of our own here: {os.strerror(ctypes.get_errno())}")
        script = f"""
            mount --make-rprivate /
            ip link set lo up
            ip address add {_ADDRESS}/32 dev lo
            mount -t tmpfs tmpfs /mnt
            cp -a /etc/. /mnt
            mount --bind /mnt /etc
            mkdir -p /usr/local/share/ca-certificates
            mount -t tmpfs tmpfs /usr/local/share/ca-certificates
            rm -f /etc/hosts
        """
        subprocess.run(["sh", "-ec", script], check=True, capture_output=True, timeout=60)
        Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{_ADDRESS} {self.name}\n", "ascii")
